// A file that grows by whole records: a log, a table of numbers.
#pragma once
#include <string>
#include <string_view>

namespace bevgrad {

class AppendFile {
 public:
  /// Opens the file, or makes it. Throws Error naming it.
  explicit AppendFile(std::string path);
  ~AppendFile();
  AppendFile(AppendFile&& other) noexcept;
  AppendFile& operator=(AppendFile&&) = delete;

  /// Adds the bytes whole or not at all: what a full disk has cut short is taken back, so that the file ends with the
  /// last whole record. Throws Error naming the file.
  void append(std::string_view bytes);
  bool is_empty() const;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int descriptor_ = -1;
};

}  // namespace bevgrad
