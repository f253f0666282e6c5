#include "internal/zip/writer.h"

#include <libdeflate.h>

#include <algorithm>

#include "base/error.h"

namespace bevgrad {

namespace {

constexpr uint32_t kWide = 0xffffffffu;
constexpr uint64_t kWrittenLocalBytes = 30;

class Bytes {
 public:
  template <class T>
  Bytes& put(T value) {
    for (size_t i = 0; i < sizeof(T); ++i) out.push_back(static_cast<char>(static_cast<uint64_t>(value) >> (8 * i)));
    return *this;
  }
  Bytes& put16(uint64_t value) { return put(static_cast<uint16_t>(value)); }
  Bytes& put32(uint64_t value) { return put(static_cast<uint32_t>(value)); }
  Bytes& put64(uint64_t value) { return put(value); }
  std::string out;
};

bool is_wide(uint64_t value) {
  return value >= kWide;
}
uint64_t narrow(uint64_t value) {
  return std::min<uint64_t>(value, kWide);
}

}  // namespace

ZipWriter::ZipWriter(const std::string& path, uint64_t alignment) : file_(path), alignment_(alignment) {}

void ZipWriter::begin(const std::string& name, uint64_t bytes) {
  check(left_ == 0, "zip: entry '{}' begins before the one before it is whole", name);
  check(name.size() <= 0xffff, "zip: an entry name of {} bytes", name.size());
  entries_.push_back({name, file_.position(), bytes, 0});
  left_ = bytes;
  Bytes wide;
  if (is_wide(bytes)) wide.put16(1).put16(16).put64(bytes).put64(bytes);
  // PyTorch's padding: an extra field with the id "FB" filled with 'Z'.
  const uint64_t before = file_.position() + kWrittenLocalBytes + name.size() + wide.out.size() + 4;
  const uint64_t padding = (alignment_ - before % alignment_) % alignment_;
  Bytes header;
  header.put32(0x04034b50).put16(is_wide(bytes) ? 45 : 20).put16(1 << 11).put16(0);
  header.put16(0).put16(0x21).put32(0).put32(narrow(bytes)).put32(narrow(bytes));
  header.put16(name.size()).put16(wide.out.size() + 4 + padding);
  header.out += name + wide.out;
  header.out += "FB";
  header.put16(padding);
  header.out.append(padding, 'Z');
  file_.write(header.out);
}

void ZipWriter::write(std::span<const std::byte> bytes) {
  check(bytes.size() <= left_, "zip: entry '{}' is given more than its {} bytes", entries_.back().name,
        entries_.back().bytes);
  left_ -= bytes.size();
  uint32_t& crc = entries_.back().crc;
  crc = libdeflate_crc32(crc, bytes.data(), bytes.size());
  file_.write(bytes);
}

void ZipWriter::end() {
  check(left_ == 0, "zip: entry '{}' lacks {} bytes", entries_.back().name, left_);
  file_.patch(entries_.back().header + 14, Bytes().put32(entries_.back().crc).out);
}

void ZipWriter::add(const std::string& name, std::string_view content) {
  begin(name, content.size());
  write(std::as_bytes(std::span(content)));
  end();
}

void ZipWriter::finish() {
  const uint64_t begin = file_.position();
  for (const Entry& entry : entries_) {
    Bytes wide;
    if (is_wide(entry.bytes)) wide.put64(entry.bytes).put64(entry.bytes);
    if (is_wide(entry.header)) wide.put64(entry.header);
    Bytes extra;
    if (!wide.out.empty()) extra.put16(1).put16(wide.out.size());
    extra.out += wide.out;
    const int version = wide.out.empty() ? 20 : 45;
    Bytes record;
    record.put32(0x02014b50).put16(version).put16(version).put16(1 << 11).put16(0).put16(0).put16(0x21);
    record.put32(entry.crc).put32(narrow(entry.bytes)).put32(narrow(entry.bytes));
    record.put16(entry.name.size()).put16(extra.out.size()).put16(0).put16(0).put16(0).put32(0);
    record.put32(narrow(entry.header));
    record.out += entry.name + extra.out;
    file_.write(record.out);
  }
  const uint64_t end = file_.position();
  const uint64_t count = entries_.size();
  if (count >= 0xffff || is_wide(begin) || is_wide(end - begin)) {
    Bytes record;
    record.put32(0x06064b50).put64(44).put16(45).put16(45).put32(0).put32(0).put64(count).put64(count);
    record.put64(end - begin).put64(begin);
    record.put32(0x07064b50).put32(0).put64(end).put32(1);
    file_.write(record.out);
  }
  Bytes record;
  const uint64_t short_count = std::min<uint64_t>(count, 0xffff);
  record.put32(0x06054b50).put16(0).put16(0).put16(short_count).put16(short_count);
  record.put32(narrow(end - begin)).put32(narrow(begin)).put16(0);
  file_.write(record.out);
  file_.commit();
}

}  // namespace bevgrad
