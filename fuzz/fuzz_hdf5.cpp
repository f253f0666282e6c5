// HDF5 files.
#include "consume.h"
#include "formats/hdf5/document.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bevgrad;
  return fuzz::run([&] { return read_hdf5_document(fuzz::source_of(data, size)); });
}
