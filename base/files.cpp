#include "base/files.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "base/atomic_file.h"
#include "base/error.h"

namespace bevgrad {

void write_text_file(const std::string& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

std::string read_file(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(stream)), {});
  check(stream.good() || stream.eof(), "{}: cannot read this file: {}", path, std::strerror(errno));
  return bytes;
}

}  // namespace bevgrad
