// Values that are worked out rather than read: held from the first read of them to the last.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "formats/stored_tensor.h"

namespace bevgrad {

/// A storage of `bytes` that `fill` writes whole, from what lies in `from`.
std::shared_ptr<const StoredStorage> computed_storage(std::string name, uint64_t bytes,
                                                      std::shared_ptr<const StoredStorage> from,
                                                      std::function<void(std::span<std::byte>)> fill);

}  // namespace bevgrad
