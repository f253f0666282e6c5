#pragma once

#include <string>

namespace bevgrad::testing {

/// The root of the source tree, where golden files lie under tests/golden.
std::string source_dir();

/// The `bevgrad` executable of this build.
std::string bevgrad_binary();

}  // namespace bevgrad::testing
