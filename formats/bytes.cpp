#include "formats/bytes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "base/error.h"

namespace bevgrad {

namespace {

constexpr size_t kBufferBytes = 64 << 10;
constexpr size_t kFirstFill = 256;
constexpr size_t kSpoolBytes = 1 << 20;
constexpr std::string_view kStandardInput = "-";

/// Closes a file.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() { ::close(number_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

class FileSource : public ByteSource {
 public:
  FileSource(const std::string& path, std::unique_ptr<Descriptor> descriptor, uint64_t size)
      : ByteSource(path, size), descriptor_(std::move(descriptor)) {}

 private:
  void read_checked(uint64_t offset, std::span<std::byte> out) const override {
    while (!out.empty()) {
      const ssize_t got = ::pread(descriptor_->number(), out.data(), out.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      check(got >= 0, "{}: cannot read at byte {}: {}", name(), offset, std::strerror(errno));
      check(got > 0, "{}: the file became shorter while it was read", name());
      offset += static_cast<uint64_t>(got);
      out = out.subspan(static_cast<size_t>(got));
    }
  }

  std::unique_ptr<Descriptor> descriptor_;
};

class MemorySource : public ByteSource {
 public:
  MemorySource(std::string name, std::vector<std::byte> bytes)
      : ByteSource(std::move(name), bytes.size()), bytes_(std::move(bytes)) {}

 private:
  void read_checked(uint64_t offset, std::span<std::byte> out) const override {
    std::memcpy(out.data(), bytes_.data() + offset, out.size());
  }

  std::vector<std::byte> bytes_;
};

}  // namespace

void ByteSource::read(uint64_t offset, std::span<std::byte> out) const {
  check(offset <= size_ && out.size() <= size_ - offset, "{}: {} bytes expected at byte {}, but the file ends at {}",
        name_, out.size(), offset, size_);
  if (!out.empty()) read_checked(offset, out);
}

namespace {

/// What can be read only once, copied to a file without a name.
std::shared_ptr<const ByteSource> spooled(const std::string& name, int from) {
  std::error_code error;
  std::string pattern = (std::filesystem::temp_directory_path(error) / "bevgrad_XXXXXX").string();
  const int to = ::mkostemp(pattern.data(), O_CLOEXEC);
  check(to >= 0, "{}: cannot make a temporary file: {}", name, std::strerror(errno));
  ::unlink(pattern.c_str());
  auto out = std::make_unique<Descriptor>(to);
  std::vector<std::byte> piece(kSpoolBytes);
  uint64_t size = 0;
  while (true) {
    const ssize_t got = ::read(from, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    check(got >= 0, "{}: cannot read: {}", name, std::strerror(errno));
    if (got == 0) break;
    for (ssize_t done = 0; done < got;) {
      const ssize_t put = ::write(to, piece.data() + done, static_cast<size_t>(got - done));
      if (put < 0 && errno == EINTR) continue;
      check(put > 0, "{}: cannot write to a temporary file: {}", name, std::strerror(errno));
      done += put;
    }
    size += static_cast<uint64_t>(got);
  }
  return std::make_shared<FileSource>(name, std::move(out), size);
}

}  // namespace

std::shared_ptr<const ByteSource> open_file(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  check(descriptor >= 0, "{}: cannot open: {}", path, std::strerror(errno));
  auto file = std::make_unique<Descriptor>(descriptor);
  struct stat status {};
  const bool known = ::fstat(descriptor, &status) == 0;
  check(known && S_ISREG(status.st_mode), "{}: not a regular file", path);
  return std::make_shared<FileSource>(path, std::move(file), static_cast<uint64_t>(status.st_size));
}

std::shared_ptr<const ByteSource> open_file_or_stream(const std::string& path) {
  if (path == kStandardInput) return spooled("standard input", STDIN_FILENO);
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISFIFO(status.st_mode)) return open_file(path);
  const Descriptor pipe(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  check(pipe.number() >= 0, "{}: cannot open: {}", path, std::strerror(errno));
  return spooled(path, pipe.number());
}

std::shared_ptr<const ByteSource> memory_source(std::string name, std::vector<std::byte> bytes) {
  return std::make_shared<MemorySource>(std::move(name), std::move(bytes));
}

std::shared_ptr<const ByteSource> memory_source(std::string name, std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return memory_source(std::move(name), std::vector(bytes.begin(), bytes.end()));
}

ByteCursor::ByteCursor(std::shared_ptr<const ByteSource> source, uint64_t begin, uint64_t end)
    : source_(std::move(source)), position_(begin), end_(std::min(end, source_->size())), next_fill_(kFirstFill) {
  check(position_ <= end_, "{}: a part begins at byte {}, past its end {}", source_->name(), position_, end_);
}

void ByteCursor::need(uint64_t count) const {
  check(count <= remaining(), "{}: cut short at byte {}: {} more bytes expected, {} left", source_->name(), position_,
        count, remaining());
}

void ByteCursor::fill() {
  buffer_.resize(static_cast<size_t>(std::min<uint64_t>(next_fill_, end_ - position_)));
  next_fill_ = std::min(kBufferBytes, 8 * next_fill_);
  source_->read(position_, buffer_);
  buffer_begin_ = position_;
  buffer_end_ = position_ + buffer_.size();
}

void ByteCursor::take(std::span<std::byte> out) {
  need(out.size());
  while (!out.empty()) {
    if (position_ >= buffer_begin_ && position_ < buffer_end_) {
      const size_t count = std::min<size_t>(out.size(), static_cast<size_t>(buffer_end_ - position_));
      std::memcpy(out.data(), buffer_.data() + (position_ - buffer_begin_), count);
      position_ += count;
      out = out.subspan(count);
    } else if (out.size() >= kBufferBytes) {
      source_->read(position_, out);
      position_ += out.size();
      return;
    } else {
      fill();
    }
  }
}

std::string ByteCursor::take(uint64_t count) {
  need(count);
  std::string out(static_cast<size_t>(count), '\0');
  take(std::as_writable_bytes(std::span(out)));
  return out;
}

uint8_t ByteCursor::u8() {
  if (position_ >= buffer_end_ || position_ < buffer_begin_) {
    need(1);
    fill();
  }
  return static_cast<uint8_t>(buffer_[static_cast<size_t>(position_++ - buffer_begin_)]);
}

uint16_t ByteCursor::u16() {
  const uint16_t low = u8();
  return static_cast<uint16_t>(low | (u8() << 8));
}

uint32_t ByteCursor::u32() {
  const uint32_t low = u16();
  return low | (static_cast<uint32_t>(u16()) << 16);
}

uint64_t ByteCursor::u64() {
  const uint64_t low = u32();
  return low | (static_cast<uint64_t>(u32()) << 32);
}

std::string ByteCursor::line(uint64_t limit) {
  const uint64_t start = position_;
  std::string out;
  for (char c = static_cast<char>(u8()); c != '\n'; c = static_cast<char>(u8())) {
    check(out.size() < limit, "{}: a line at byte {} is longer than {} bytes", source_->name(), start, limit);
    out.push_back(c);
  }
  return out;
}

void ByteCursor::skip(uint64_t count) {
  need(count);
  position_ += count;
  if (position_ > buffer_end_) next_fill_ = kFirstFill;
}

}  // namespace bevgrad
