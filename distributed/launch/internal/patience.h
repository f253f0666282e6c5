// How long launchers wait for each other, at most.
#pragma once
#include <chrono>

namespace bevgrad {

/// For one answer of the store.
inline constexpr std::chrono::milliseconds kStoreCall{10000};
/// A launcher that gives no sign of life for so long is gone.
inline constexpr std::chrono::milliseconds kSilence{20000};

}  // namespace bevgrad
