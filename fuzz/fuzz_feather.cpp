// Arrow's files: the table and every kind of column.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "formats/arrow/table.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::string path =
      std::filesystem::temp_directory_path() / ("bevgrad_fuzz_" + std::to_string(getpid()) + ".feather");
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  try {
    const bevgrad::ArrowTable table = bevgrad::ArrowTable::read(path);
    for (const char* name : {"x", "qw", "timestamp_ns", "category", "intensity"})
      if (table.has(name)) table.floats(name);
  } catch (const bevgrad::Error&) {
  }
  std::filesystem::remove(path);
  return 0;
}
