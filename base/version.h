// The version of everything in this tree: the build reads it from here, and files say who wrote them.
#pragma once

namespace bevgrad {

inline constexpr const char* kVersion = "0.2.0";

}  // namespace bevgrad
