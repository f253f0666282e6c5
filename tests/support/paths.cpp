#include "support/paths.h"

#include <cstdlib>

namespace bevgrad::testing {
namespace {

std::string setting(const char* variable, const char* built_in) {
  const char* value = std::getenv(variable);
  return value ? value : built_in;
}

}  // namespace

std::string source_dir() {
  return setting("BEVGRAD_TEST_SOURCE_DIR", BEVGRAD_SOURCE_DIR);
}

std::string bevgrad_binary() {
  return setting("BEVGRAD_TEST_BINARY", BEVGRAD_BINARY);
}

}  // namespace bevgrad::testing
