// Small changes of a file that stays where it is, made so that a crash at any moment leaves the file of before or the
// changed one.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "formats/bytes.h"

namespace bevgrad {

/// First bytes behind the end, to which nothing in the file refers yet; then a piece that is there already.
struct FilePatch {
  std::string appended = {};
  uint64_t at = 0;
  std::string bytes = {};
};

/// The file as it will be.
std::shared_ptr<const ByteSource> patched_source(std::shared_ptr<const ByteSource> source, FilePatch patch);

/// A file that is to be changed, locked against others that lock what they write (HDF5's library, this class).
class FileToPatch {
 public:
  explicit FileToPatch(const std::string& path);
  ~FileToPatch();
  FileToPatch(const FileToPatch&) = delete;
  FileToPatch& operator=(const FileToPatch&) = delete;

  const std::shared_ptr<const ByteSource>& source() const { return source_; }
  /// Where the piece that changes lies in one sector of 512 bytes, which disks write whole or not at all, it is written
  /// in its place, after what is appended has reached the disk. Otherwise a copy that shares the file's blocks is
  /// changed and renamed; throws where the file system knows none.
  void apply(const FilePatch& patch);

 private:
  void write(int descriptor, uint64_t offset, std::string_view bytes) const;
  void sync(int descriptor) const;
  void apply_to_clone(const FilePatch& patch) const;

  std::string path_;
  int descriptor_ = -1;
  std::shared_ptr<const ByteSource> source_;
};

}  // namespace bevgrad
