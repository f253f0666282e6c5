// PyTorch's zip, legacy and tar files.
#include "consume.h"
#include "formats/torch/legacy_file.h"
#include "formats/torch/tar_file.h"
#include "formats/torch/zip_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bevgrad;
  const auto source = fuzz::source_of(data, size);
  if (size > 2 && data[0] == 'P' && data[1] == 'K') return fuzz::run([&] { return read_torch_zip(source); });
  if (is_tar(*source)) return fuzz::run([&] { return read_torch_tar(source); });
  return fuzz::run([&] { return read_torch_legacy(source); });
}
