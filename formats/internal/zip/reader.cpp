#include "internal/zip/reader.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/text.h"
#include "internal/archive_names.h"
#include "internal/limits.h"
#include "internal/zip/entry_storage.h"

namespace bevgrad {

/// How messages call an entry. There are many entries and few messages: the text is made when it is wanted.
struct ZipEntryPlace {
  const std::string& file;
  const std::string& name;
};

}  // namespace bevgrad

template <>
struct fmt::formatter<bevgrad::ZipEntryPlace> {
  static constexpr auto parse(format_parse_context& context) { return context.begin(); }
  static auto format(const bevgrad::ZipEntryPlace& place, format_context& context) {
    return fmt::format_to(context.out(), "{}: zip entry '{}'", place.file, bevgrad::printable(place.name));
  }
};

namespace bevgrad {

namespace {

constexpr uint32_t kLocalHeader = 0x04034b50;
constexpr uint32_t kCentralHeader = 0x02014b50;
constexpr uint32_t kEnd = 0x06054b50;
constexpr uint32_t kZip64End = 0x06064b50;
constexpr uint32_t kZip64Locator = 0x07064b50;
constexpr uint64_t kEndBytes = 22;
constexpr uint64_t kLocatorBytes = 20;
constexpr uint64_t kZip64EndBytes = 56;
constexpr uint64_t kLocalBytes = 30;
constexpr uint64_t kCentralBytes = 46;
constexpr uint16_t kEncrypted = 1 << 0;
constexpr uint16_t kDescriptor = 1 << 3;
constexpr uint16_t kUtf8 = 1 << 11;
constexpr uint16_t kDeflateLevel = (1 << 1) | (1 << 2);
constexpr uint64_t kMaximumEntries = 1'000'000;
// Contents may be larger than the file by this factor and this much: far beyond weights, far below a bomb.

uint64_t little_endian(std::string_view bytes) {
  uint64_t out = 0;
  for (size_t i = bytes.size(); i > 0; --i) out = (out << 8) | static_cast<uint8_t>(bytes[i - 1]);
  return out;
}

/// Sizes and offset of an entry out of a zip64 extra field (id 1), in the order in which the 32-bit fields overflowed.
struct Zip64Fields {
  uint64_t* bytes;
  uint64_t* compressed;
  uint64_t* offset;
};

void read_extra(std::string_view extra, Zip64Fields fields, const ZipEntryPlace& where) {
  bool seen = false;
  while (extra.size() >= 4) {
    const uint64_t id = little_endian(extra.substr(0, 2));
    const uint64_t length = little_endian(extra.substr(2, 2));
    extra.remove_prefix(4);
    check(length <= extra.size(), "{}: an extra field is longer than the header says", where);
    std::string_view field = extra.substr(0, length);
    extra.remove_prefix(length);
    if (id != 1) continue;
    check(!seen, "{}: two zip64 extra fields", where);
    seen = true;
    for (uint64_t* number : {fields.bytes, fields.compressed, fields.offset}) {
      if (number == nullptr || *number != 0xffffffffu) continue;
      check(field.size() >= 8, "{}: the zip64 extra field is too short", where);
      *number = little_endian(field.substr(0, 8));
      field.remove_prefix(8);
    }
  }
}

}  // namespace

ZipReader::ZipReader(std::shared_ptr<const ByteSource> source) : source_(std::move(source)) {
  read_directory();
  check_overlaps();
}

void ZipReader::read_directory() {
  const std::string& file = source_->name();
  const uint64_t size = source_->size();
  check(size >= kEndBytes, "{}: {} bytes are too short for a zip archive", file, size);
  const uint64_t end_at = size - kEndBytes;
  ByteCursor end(source_, end_at, size);
  check(end.u32() == kEnd, "{}: no zip directory at its end: cut short, or followed by other bytes", file);
  const uint16_t disk = end.u16();
  const uint16_t directory_disk = end.u16();
  const uint16_t entries_here = end.u16();
  uint64_t entries = end.u16();
  uint64_t directory_bytes = end.u32();
  uint64_t directory_at = end.u32();
  check(end.u16() == 0, "{}: a zip comment is announced, but the file ends", file);
  check(disk == 0 && directory_disk == 0 && entries_here == entries, "{}: a zip archive in several parts", file);

  uint64_t directory_end = end_at;
  bool zip64 = false;
  if (end_at >= kLocatorBytes) {
    ByteCursor locator(source_, end_at - kLocatorBytes, end_at);
    zip64 = locator.u32() == kZip64Locator;
    if (zip64) {
      const uint32_t at_disk = locator.u32();
      const uint64_t at = locator.u64();
      check(at_disk == 0 && locator.u32() <= 1, "{}: a zip archive in several parts", file);
      check(at <= end_at - kLocatorBytes && end_at - kLocatorBytes - at >= kZip64EndBytes,
            "{}: the zip64 directory end at byte {} lies outside the file", file, at);
      ByteCursor wide(source_, at, end_at - kLocatorBytes);
      check(wide.u32() == kZip64End, "{}: no zip64 directory end at byte {}", file, at);
      check(wide.u64() == end_at - kLocatorBytes - at - 12, "{}: the zip64 directory end has a wrong length", file);
      wide.skip(4);
      const bool one_disk = wide.u32() == 0;
      check(one_disk && wide.u32() == 0, "{}: a zip archive in several parts", file);
      const uint64_t wide_here = wide.u64();
      const uint64_t wide_entries = wide.u64();
      const uint64_t wide_bytes = wide.u64();
      const uint64_t wide_at = wide.u64();
      check(wide_here == wide_entries, "{}: a zip archive in several parts", file);
      check((entries == 0xffff || entries == wide_entries) &&
                (directory_bytes == 0xffffffffu || directory_bytes == wide_bytes) &&
                (directory_at == 0xffffffffu || directory_at == wide_at),
            "{}: the two ends of the zip directory contradict one another", file);
      entries = wide_entries;
      directory_bytes = wide_bytes;
      directory_at = wide_at;
      directory_end = at;
    }
  }
  check(directory_at <= directory_end && directory_bytes == directory_end - directory_at,
        "{}: the zip directory ({} bytes at {}) does not end where its end record begins ({})", file, directory_bytes,
        directory_at, directory_end);
  check(entries <= kMaximumEntries && entries <= directory_bytes / kCentralBytes,
        "{}: the zip directory claims {} entries in {} bytes", file, entries, directory_bytes);
  directory_begin_ = directory_at;

  uint64_t content = 0;
  ByteCursor cursor(source_, directory_at, directory_end);
  entries_.reserve(entries);
  for (uint64_t i = 0; i < entries; ++i) {
    check(cursor.remaining() >= kCentralBytes && cursor.u32() == kCentralHeader, "{}: zip directory entry {} is broken",
          file, i);
    cursor.skip(4);
    const uint16_t flags = cursor.u16();
    const uint16_t method = cursor.u16();
    cursor.skip(4);
    ZipEntry entry;
    entry.crc = cursor.u32();
    entry.compressed = cursor.u32();
    entry.bytes = cursor.u32();
    const uint16_t name_length = cursor.u16();
    const uint16_t extra_length = cursor.u16();
    const uint16_t comment_length = cursor.u16();
    const uint16_t entry_disk = cursor.u16();
    cursor.skip(2);
    const uint32_t external = cursor.u32();
    entry.header = cursor.u32();
    entry.name = cursor.take(name_length);
    const ZipEntryPlace where{file, entry.name};
    read_extra(cursor.take(extra_length), {&entry.bytes, &entry.compressed, &entry.header}, where);
    cursor.skip(comment_length);
    check(!leads_out_of_archive(entry.name), "{}: the name leads out of the archive", where);
    check((flags & kEncrypted) == 0, "{}: encrypted; a password-protected archive cannot be read", where);
    check((flags & ~(kDescriptor | kUtf8 | kDeflateLevel)) == 0, "{}: unknown flags 0x{:x}", where, flags);
    check(entry_disk == 0, "{}: on another disk", where);
    check(((external >> 16) & 0xf000) != 0xa000, "{}: a symbolic link", where);
    check(method == 0 || method == 8, "{}: compression method {}, known are stored and deflated", where, method);
    entry.deflated = method == 8;
    check(entry.deflated || entry.compressed == entry.bytes, "{}: stored, but {} bytes hold {}", where,
          entry.compressed, entry.bytes);
    check(by_name_.emplace(entry.name, entries_.size()).second, "{}: there twice", where);
    read_local_header(entry, flags, method);
    if (__builtin_add_overflow(content, entry.bytes, &content)) content = UINT64_MAX;
    check(content / kInflationFactor <= source_->size() + kInflationSlack / kInflationFactor,
          "{}: the contents would take {} times the file's size: a zip bomb", where,
          content / std::max<uint64_t>(1, source_->size()));
    entries_.push_back(std::move(entry));
  }
  check(cursor.remaining() == 0, "{}: {} bytes follow the last entry of the zip directory", file, cursor.remaining());
}

void ZipReader::read_local_header(ZipEntry& entry, uint16_t flags, uint16_t method) const {
  const ZipEntryPlace where{source_->name(), entry.name};
  check(entry.header <= directory_begin_ && directory_begin_ - entry.header >= kLocalBytes,
        "{}: its header at byte {} lies outside the data", where, entry.header);
  ByteCursor cursor(source_, entry.header, directory_begin_);
  check(cursor.u32() == kLocalHeader, "{}: no header at byte {}", where, entry.header);
  cursor.skip(2);
  const uint16_t local_flags = cursor.u16();
  const uint16_t local_method = cursor.u16();
  cursor.skip(4);
  const uint32_t crc = cursor.u32();
  uint64_t compressed = cursor.u32();
  uint64_t bytes = cursor.u32();
  const uint16_t name_length = cursor.u16();
  const uint16_t extra_length = cursor.u16();
  check(cursor.take(name_length) == entry.name, "{}: its own header has another name", where);
  read_extra(cursor.take(extra_length), {&bytes, &compressed, nullptr}, where);
  check(local_flags == flags, "{}: its own header has flags 0x{:x}, the directory 0x{:x}", where, local_flags, flags);
  check(local_method == method, "{}: its own header has method {}, the directory {}", where, local_method, method);
  const bool later = (flags & kDescriptor) != 0;
  check((later && bytes == 0 && compressed == 0) || (bytes == entry.bytes && compressed == entry.compressed),
        "{}: its own header has {} bytes, the directory {}", where, bytes, entry.bytes);
  check((later && crc == 0) || crc == entry.crc, "{}: its own header has another CRC than the directory", where);
  entry.offset = cursor.position();
  check(entry.compressed <= directory_begin_ - entry.offset, "{}: {} bytes at byte {} run into the zip directory at {}",
        where, entry.compressed, entry.offset, directory_begin_);
}

void ZipReader::check_overlaps() const {
  std::vector<const ZipEntry*> sorted;
  for (const ZipEntry& entry : entries_) sorted.push_back(&entry);
  std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return a->header < b->header; });
  for (size_t i = 1; i < sorted.size(); ++i) {
    check(sorted[i - 1]->offset + sorted[i - 1]->compressed <= sorted[i]->header,
          "{}: zip entries '{}' and '{}' overlap", source_->name(), printable(sorted[i - 1]->name),
          printable(sorted[i]->name));
  }
}

const ZipEntry* ZipReader::find(const std::string& name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &entries_[found->second];
}

std::shared_ptr<const StoredStorage> ZipReader::open(const ZipEntry& entry) const {
  return zip_entry_storage(source_, entry);
}

std::string ZipReader::read(const ZipEntry& entry, uint64_t limit) const {
  check(entry.bytes <= limit, "{}: zip entry '{}' has {} bytes, at most {} are expected", source_->name(),
        printable(entry.name), entry.bytes, limit);
  std::string out(entry.bytes, '\0');
  open(entry)->read(0, std::as_writable_bytes(std::span(out)));
  return out;
}

}  // namespace bevgrad
