// Configs as Protobuf text: parsing with its messages, overlaying, judging, and --set.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/error.h"
#include "configs/document.h"
#include "configs/load.h"
#include "configs/validate.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bevgrad;
  // A first line is an assignment of --set, the rest a config.
  const std::string input(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(input.find('\n'), input.size());
  static const configs::Document base = configs::load({.config = "mini_step2_static"});
  configs::Document document = base;
  try {
    configs::set_field(document, input.substr(0, end));
    configs::validate(document);
  } catch (const Error&) {
  }
  try {
    const configs::Document overlay = configs::parse_document(input.substr(std::min(end + 1, size)), "input");
    configs::overlay_document(document, overlay);
    configs::fill_defaults(document.proto);
    configs::validate(document);
    configs::load_text(configs::to_text(document.proto), "again");
  } catch (const Error&) {
  }
  return 0;
}
