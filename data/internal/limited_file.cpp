#include "internal/limited_file.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/text.h"

namespace bevgrad {

namespace fs = std::filesystem;

std::string read_limited_file(const std::string& path, uint64_t most) {
  std::error_code error;
  check(!fs::is_directory(path, error), "{}: a folder, expected a file", path);
  const uintmax_t size = fs::file_size(path, error);
  check(!error && size <= most, "{}: {}", path,
        error ? error.message() : fmt::format("{} bytes, expected at most {}", size, most));
  std::string bytes(size, '\0');
  std::ifstream in(path, std::ios::binary);
  in.read(bytes.data(), static_cast<std::streamsize>(size));
  check(in.gcount() == static_cast<std::streamsize>(size), "{}: cannot be read", path);
  return bytes;
}

std::string file_inside(const std::string& folder, const std::string& name, const std::string& where) {
  const fs::path named = name;
  const bool stays = named.has_filename() && named.is_relative() && name.find('\0') == std::string::npos &&
                     std::none_of(named.begin(), named.end(), [](const fs::path& part) { return part == ".."; });
  check(stays, "{} is '{}', expected the path of a file inside {}", where, printable(name), folder);
  const fs::path path = fs::path(folder) / named;
  std::error_code ignored;
  check(fs::is_regular_file(path, ignored), "{}: {} holds no file '{}'", where, folder, printable(name));
  return path.string();
}

}  // namespace bevgrad
