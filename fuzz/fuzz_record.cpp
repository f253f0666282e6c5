// Records of a dataset: the Protobuf message and all that its decoder checks.
#include <cstddef>
#include <cstdint>

#include "base/error.h"
#include "data/record.h"

namespace {

bevgrad::DatasetOptions options() {
  bevgrad::DatasetOptions options;
  options.groups = {{"front", {"front"}, 24, 32}, {"sides", {"left", "right"}, 16, 16}};
  options.labels.grid = {.x_min = 0, .y_min = -1, .z_min = -3, .x_max = 4, .y_max = 1, .z_max = 5, .cell = 0.2};
  return options;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const bevgrad::DatasetOptions small = options();
  try {
    bevgrad::decode_record({data, size}, small, {"input", "key"});
  } catch (const bevgrad::Error&) {
  }
  return 0;
}
