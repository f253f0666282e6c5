// Which program this is.
#pragma once
#include <string>

namespace bevgrad {

/// A digest of the running executable's bytes, 16 hexadecimal digits: ranks that train together must agree in it.
std::string build_digest();

}  // namespace bevgrad
