// An HDF5 file as bytes: its superblock, and blocks of it.
#pragma once
#include <memory>
#include <span>

#include "formats/bytes.h"
#include "hdf5/internal/raw/block.h"

namespace bevgrad::hdf5 {

class File {
 public:
  /// Reads the superblock (versions 0 to 3). Throws Error naming what is damaged or not known.
  explicit File(std::shared_ptr<const ByteSource> source);

  const ByteSource& source() const { return *source_; }
  FieldSizes sizes() const { return sizes_; }
  uint64_t size() const { return source_->size(); }
  /// Address of the root group's object header.
  uint64_t root() const { return root_; }

  /// `bytes` bytes at `address`, called "<file>: <what> at byte <address>". Throws before allocating where they leave
  /// the file, and where structures have been read again and again, as only a crafted file makes one do.
  Block block(uint64_t address, uint64_t bytes, std::string_view what) const;
  /// The same of at most `bytes` bytes, fewer where the file ends.
  Block block_up_to(uint64_t address, uint64_t bytes, std::string_view what) const;
  /// Values, which may be read as often as one likes.
  void read(uint64_t address, std::span<std::byte> out) const;

 private:
  std::shared_ptr<const ByteSource> source_;
  FieldSizes sizes_;
  uint64_t root_ = kUndefined;
  mutable uint64_t budget_;
};

}  // namespace bevgrad::hdf5
