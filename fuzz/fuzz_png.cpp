// PNG: whole pictures, and row by row as one layer.
#include <cstddef>
#include <cstdint>

#include "base/error.h"
#include "data/png_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr int64_t kMost = 1 << 20;
  try {
    bevgrad::read_png_rows({data, size}, "input", kMost, [](int64_t, std::span<const uint8_t>) {});
    bevgrad::decode_png({data, size}, "input");
  } catch (const bevgrad::Error&) {
  }
  return 0;
}
