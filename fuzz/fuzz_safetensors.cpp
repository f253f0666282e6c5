// safetensors files.
#include "consume.h"
#include "formats/safetensors/file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bevgrad;
  if (size < 8) return 0;
  return fuzz::run([&] { return read_safetensors(fuzz::source_of(data, size)); });
}
