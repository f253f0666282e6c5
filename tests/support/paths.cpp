#include "support/paths.h"

namespace bevgrad::testing {

std::string source_dir() {
  return BEVGRAD_SOURCE_DIR;
}

std::string bevgrad_binary() {
  return BEVGRAD_BINARY;
}

}  // namespace bevgrad::testing
