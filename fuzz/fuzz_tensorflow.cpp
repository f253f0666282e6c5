// Indexes of TensorFlow's checkpoints; the values beside them are not there.
#include "consume.h"
#include "formats/tensorflow/file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bevgrad;
  return fuzz::run([&] { return read_tensorflow("input.index", fuzz::source_of(data, size)); });
}
