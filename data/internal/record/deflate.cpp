#include "internal/record/deflate.h"

#include <zlib.h>

#include "base/error.h"

namespace bevgrad {

std::string deflated(std::span<const uint8_t> bytes) {
  uLongf size = compressBound(bytes.size());
  std::string out(size, '\0');
  int status = compress2(reinterpret_cast<Bytef*>(out.data()), &size, bytes.data(), bytes.size(), 4);
  check(status == Z_OK, "zlib: compress2 failed with {}", status);
  out.resize(size);
  return out;
}

std::vector<uint8_t> inflated(const std::string& stream, size_t size, const RecordOrigin& origin,
                              const std::string& field) {
  std::vector<uint8_t> bytes(size);
  uLongf got = size;
  uLong read = stream.size();
  int status = uncompress2(bytes.data(), &got, reinterpret_cast<const Bytef*>(stream.data()), &read);
  check(status == Z_OK && got == size && read == stream.size(),
        "{} is damaged: its zlib stream does not hold the {} bytes that its size asks for", origin.at(field), size);
  return bytes;
}

}  // namespace bevgrad
