// Point clouds: PCD, PLY and NumPy's arrays, told apart by the input's first byte.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "internal/clouds/rows.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    if (bytes.starts_with("ply"))
      bevgrad::read_ply(bytes, "input");
    else
      bevgrad::read_pcd(bytes, "input");
  } catch (const bevgrad::Error&) {
  }
  return 0;
}
