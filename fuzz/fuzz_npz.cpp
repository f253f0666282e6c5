// NPZ files.
#include "consume.h"
#include "formats/npz/file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bevgrad;
  return fuzz::run([&] { return read_npz(fuzz::source_of(data, size)); });
}
