// HDF5 files: our use of the HDF5 library, which itself is only as strong as the version that is linked.
#include <unistd.h>

#include <fstream>

#include "consume.h"
#include "formats/hdf5/document.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bevgrad;
  // The library opens paths only.
  static const std::string path = "/dev/shm/bevgrad_fuzz_" + std::to_string(::getpid()) + ".h5";
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  return fuzz::run([&] { return read_hdf5_document(path); });
}
