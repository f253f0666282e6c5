// A strict reader of zip archives (PKWARE's APPNOTE.TXT). Archives that two readers could understand differently are
// refused: entries that overlap or share a name, local headers that contradict the central directory, bytes after the
// end, more than one disk, encryption. Entries are stored or deflated.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "formats/bytes.h"
#include "formats/stored_tensor.h"

namespace bevgrad {

struct ZipEntry {
  std::string name;
  bool deflated = false;
  uint64_t offset = 0;      // of the data in the file
  uint64_t compressed = 0;  // bytes in the file
  uint64_t bytes = 0;       // bytes of the content
  uint32_t crc = 0;
  uint64_t header = 0;  // of the local header
};

class ZipReader {
 public:
  /// Reads the directory and all local headers. Throws Error naming the file, the entry and what is wrong.
  explicit ZipReader(std::shared_ptr<const ByteSource> source);

  const std::vector<ZipEntry>& entries() const { return entries_; }
  const ZipEntry* find(const std::string& name) const;
  /// The content of an entry as a storage, inflated as it is read. The CRC is checked when the last byte is read in
  /// order, or by verify(). A CRC of 0 means that the writer left it out, as torch.save can.
  std::shared_ptr<const StoredStorage> open(const ZipEntry& entry) const;
  /// A small entry as a whole; throws where it is larger than `limit`.
  std::string read(const ZipEntry& entry, uint64_t limit) const;

 private:
  void read_directory();
  void read_local_header(ZipEntry& entry, uint16_t flags, uint16_t method) const;
  void check_overlaps() const;

  std::shared_ptr<const ByteSource> source_;
  uint64_t directory_begin_ = 0;
  std::vector<ZipEntry> entries_;
  std::map<std::string, size_t> by_name_;
};

}  // namespace bevgrad
