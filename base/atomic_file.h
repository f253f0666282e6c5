// A file that appears whole or not at all: written under a temporary name beside its place, synced, renamed.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace bevgrad {

/// Gives out the temporary name and puts the file into place; without commit() the temporary file is removed.
class AtomicPath {
 public:
  explicit AtomicPath(std::string path);
  ~AtomicPath();
  AtomicPath(const AtomicPath&) = delete;
  AtomicPath& operator=(const AtomicPath&) = delete;

  const std::string& path() const { return path_; }
  const std::string& temporary() const { return temporary_; }
  /// Syncs the temporary file, renames it and syncs the folder. Throws Error naming the path.
  void commit();

 private:
  std::string path_;
  std::string temporary_;
  bool committed_ = false;
};

/// Lets the disk begin with what was written to a file, time after time, so that the sync at its end has little to wait
/// for.
class EarlyWriteback {
 public:
  /// `bytes` more were written to the file.
  void wrote(int descriptor, uint64_t bytes);

 private:
  uint64_t waiting_ = 0;
};

/// Writes bytes in order; `patch` overwrites some that are there already.
class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  uint64_t position() const { return position_; }
  void write(std::span<const std::byte> bytes);
  void write(std::string_view bytes) { write(std::as_bytes(std::span(bytes))); }
  void patch(uint64_t offset, std::string_view bytes);
  void commit();

 private:
  void write_at(uint64_t offset, std::span<const std::byte> bytes);

  AtomicPath path_;
  int descriptor_ = -1;
  uint64_t position_ = 0;
  EarlyWriteback writeback_;
};

}  // namespace bevgrad
