// Pictures: headers, decoding at several scales, resizing.
#include <cstddef>
#include <cstdint>

#include "base/error.h"
#include "data/image_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const bevgrad::ImageSize stored = bevgrad::jpeg_size({data, size}, "input");
    if (stored.height * stored.width > 1 << 20) return 0;
    std::string remark;
    bevgrad::decode_jpeg({data, size}, stored, {24, 32}, "input", &remark);
  } catch (const bevgrad::Error&) {
  }
  return 0;
}
