// ONNX files.
#include "consume.h"
#include "formats/onnx/file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bevgrad;
  return fuzz::run([&] { return read_onnx(fuzz::source_of(data, size), {}); });
}
