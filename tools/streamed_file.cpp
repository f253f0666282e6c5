#include "streamed_file.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <vector>

#include "base/error.h"
#include "formats/bytes.h"

namespace bevgrad {

StreamedFile::StreamedFile(const std::string& extension) {
  std::error_code error;
  folder_ = (std::filesystem::temp_directory_path(error) / "bevgrad_XXXXXX").string();
  check(::mkdtemp(folder_.data()) != nullptr, "-: cannot make a temporary folder {}: {}", folder_,
        std::strerror(errno));
  path_ = folder_ + "/out" + extension;
}

StreamedFile::~StreamedFile() {
  std::error_code error;
  std::filesystem::remove_all(folder_, error);
}

void StreamedFile::send() const {
  constexpr uint64_t kPieceBytes = 1 << 20;
  const auto source = open_file(path_);
  std::vector<std::byte> piece(kPieceBytes);
  for (uint64_t at = 0; at < source->size(); at += piece.size()) {
    piece.resize(std::min(kPieceBytes, source->size() - at));
    source->read(at, piece);
    check(std::fwrite(piece.data(), 1, piece.size(), stdout) == piece.size(),
          "the standard output cannot be written: {}", std::strerror(errno));
  }
}

}  // namespace bevgrad
