// A file on its way to the standard output: formats that say at their beginning or their end where things lie are
// written as files first.
#pragma once
#include <string>

namespace bevgrad {

class StreamedFile {
 public:
  /// A name in a temporary folder, which goes away with this.
  explicit StreamedFile(const std::string& extension);
  ~StreamedFile();
  StreamedFile(const StreamedFile&) = delete;
  StreamedFile& operator=(const StreamedFile&) = delete;

  const std::string& path() const { return path_; }
  /// Writes the file to the standard output. That it arrived is seen at the program's end.
  void send() const;

 private:
  std::string folder_;
  std::string path_;
};

}  // namespace bevgrad
