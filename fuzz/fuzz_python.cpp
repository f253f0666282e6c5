// Configs as Python files: reading of literals, and what becomes of them.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/error.h"
#include "configs/load.h"
#include "configs/python_config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bevgrad;
  static const configs::Document base = configs::load({.config = "mini_step2_static"});
  configs::Document document = base;
  try {
    configs::lay_python_over(document, std::string(reinterpret_cast<const char*>(data), size), "input.py");
  } catch (const Error&) {
  }
  return 0;
}
