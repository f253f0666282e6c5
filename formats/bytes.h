// Random access to bytes that came from outside. Every read is checked against the size that the file had when it was
// opened; a file that shrinks meanwhile is an error, not a signal (there is no memory mapping).
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bevgrad {

class ByteSource {
 public:
  virtual ~ByteSource() = default;

  /// How messages call it: the path of a file.
  const std::string& name() const { return name_; }
  uint64_t size() const { return size_; }
  /// Fills `out` with the bytes at `offset`; throws where they are not all there. Safe to call from several threads.
  void read(uint64_t offset, std::span<std::byte> out) const;

 protected:
  ByteSource(std::string name, uint64_t size) : name_(std::move(name)), size_(size) {}
  virtual void read_checked(uint64_t offset, std::span<std::byte> out) const = 0;

  std::string name_;
  uint64_t size_;
};

/// Opens a regular file. Throws Error naming the path where it is missing, unreadable or not a regular file.
std::shared_ptr<const ByteSource> open_file(const std::string& path);
/// The same of what a user named: also "-", the standard input, and pipes, which are first copied to a temporary file
/// without a name, since files are read in any order.
std::shared_ptr<const ByteSource> open_file_or_stream(const std::string& path);
/// Bytes already in memory.
std::shared_ptr<const ByteSource> memory_source(std::string name, std::vector<std::byte> bytes);
/// A copy of the bytes in a text.
std::shared_ptr<const ByteSource> memory_source(std::string name, std::string_view text);

/// Reads forward through [begin, end) of a source with a buffer: what a parser of a stream holds.
class ByteCursor {
 public:
  ByteCursor(std::shared_ptr<const ByteSource> source, uint64_t begin, uint64_t end);

  uint64_t position() const { return position_; }
  uint64_t remaining() const { return end_ - position_; }
  const ByteSource& source() const { return *source_; }

  uint8_t u8();
  uint16_t u16();
  uint32_t u32();
  uint64_t u64();
  /// The next `count` bytes; throws before allocating where fewer remain.
  std::string take(uint64_t count);
  void take(std::span<std::byte> out);
  /// Up to the next newline, which is consumed and not returned; throws past `limit` bytes.
  std::string line(uint64_t limit);
  void skip(uint64_t count);

 private:
  void need(uint64_t count) const;
  void fill();

  std::shared_ptr<const ByteSource> source_;
  uint64_t position_;
  uint64_t end_;
  std::vector<std::byte> buffer_;
  // Grows while the stream is read on, so that a look at a header does not read what lies behind it.
  size_t next_fill_;
  uint64_t buffer_begin_ = 0;
  uint64_t buffer_end_ = 0;
};

}  // namespace bevgrad
