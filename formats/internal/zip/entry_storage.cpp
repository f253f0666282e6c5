#include "internal/zip/entry_storage.h"

#include <libdeflate.h>
#include <zlib.h>

#include <algorithm>
#include <mutex>

#include "base/error.h"
#include "base/text.h"
#include "internal/verify_checksums.h"

namespace bevgrad {

namespace {

constexpr size_t kUnpackedPieceBytes = 1 << 20;

std::string label(const ByteSource& source, const ZipEntry& entry) {
  return fmt::format("{}: zip entry '{}'", source.name(), printable(entry.name));
}

/// Follows the CRC through reads that come in order; other reads leave it alone.
class CrcCheck {
 public:
  CrcCheck(const ZipEntry& entry, std::string label) : label_(std::move(label)), bytes_(entry.bytes), crc_(entry.crc) {}

  void saw(uint64_t offset, std::span<const std::byte> bytes) {
    if (offset == 0) {
      seen_ = 0;
      running_ = 0;
    }
    if (offset != seen_) return;
    running_ = libdeflate_crc32(running_, bytes.data(), bytes.size());
    seen_ += bytes.size();
    if (seen_ != bytes_) return;
    check(!kVerifyChecksums || crc_ == 0 || running_ == crc_, "{}: damaged: its CRC is {:08x}, {:08x} was stored",
          label_, running_, crc_);
    whole_ = true;
  }
  bool is_whole() const { return whole_ || crc_ == 0 || bytes_ == 0; }

 private:
  std::string label_;
  uint64_t bytes_;
  uint32_t crc_;
  uint64_t seen_ = 0;
  uint32_t running_ = 0;
  bool whole_ = false;
};

class EntryStorage : public StoredStorage {
 public:
  EntryStorage(std::shared_ptr<const ByteSource> source, const ZipEntry& entry)
      : StoredStorage(label(*source, entry), entry.bytes),
        source_(std::move(source)),
        entry_(entry),
        crc_(entry, name()) {}

  void verify() const override {
    {
      const std::scoped_lock lock(mutex_);
      if (crc_.is_whole()) return;
    }
    std::vector<std::byte> piece(std::min<uint64_t>(bytes(), kUnpackedPieceBytes));
    for (uint64_t at = 0; at < bytes(); at += piece.size()) {
      read(at, std::span(piece).first(std::min<uint64_t>(piece.size(), bytes() - at)));
    }
  }

 protected:
  std::shared_ptr<const ByteSource> source_;
  ZipEntry entry_;
  mutable std::mutex mutex_;
  mutable CrcCheck crc_;
};

class StoredEntry : public EntryStorage {
 public:
  using EntryStorage::EntryStorage;

 private:
  void read_checked(uint64_t offset, std::span<std::byte> out) const override {
    source_->read(entry_.offset + offset, out);
    const std::scoped_lock lock(mutex_);
    crc_.saw(offset, out);
  }
};

/// Inflates forward; a read before the place that was reached starts again.
class DeflatedEntry : public EntryStorage {
 public:
  using EntryStorage::EntryStorage;
  ~DeflatedEntry() override { stop(); }

 private:
  void read_checked(uint64_t offset, std::span<std::byte> out) const override {
    const std::scoped_lock lock(mutex_);
    if (!running_ || offset < position_) start();
    std::vector<std::byte> skipped(std::min<uint64_t>(offset - position_, kUnpackedPieceBytes));
    while (position_ < offset)
      inflate_into(std::span(skipped).first(std::min<uint64_t>(skipped.size(), offset - position_)));
    inflate_into(out);
    if (position_ == bytes()) finish();
  }

  void start() const {
    stop();
    stream_ = {};
    check(inflateInit2(&stream_, -MAX_WBITS) == Z_OK, "{}: cannot start to inflate", name());
    running_ = true;
    position_ = 0;
    consumed_ = 0;
  }

  void stop() const {
    if (running_) inflateEnd(&stream_);
    running_ = false;
  }

  int step() const {
    if (stream_.avail_in == 0 && consumed_ < entry_.compressed) {
      input_.resize(std::min<uint64_t>(entry_.compressed - consumed_, kUnpackedPieceBytes));
      source_->read(entry_.offset + consumed_, input_);
      consumed_ += input_.size();
      stream_.next_in = reinterpret_cast<Bytef*>(input_.data());
      stream_.avail_in = static_cast<uInt>(input_.size());
    }
    const int status = inflate(&stream_, Z_NO_FLUSH);
    check(status == Z_OK || status == Z_STREAM_END, "{}: the deflated data is damaged", name());
    return status;
  }

  void inflate_into(std::span<std::byte> out) const {
    for (std::span<std::byte> rest = out; !rest.empty();) {
      const auto room = static_cast<uInt>(std::min<size_t>(rest.size(), 1 << 30));
      stream_.next_out = reinterpret_cast<Bytef*>(rest.data());
      stream_.avail_out = room;
      const int status = step();
      rest = rest.subspan(room - stream_.avail_out);
      check(rest.empty() || status != Z_STREAM_END, "{}: the deflated data ends before its {} bytes", name(), bytes());
    }
    crc_.saw(position_, out);
    position_ += out.size();
  }

  void finish() const {
    Bytef extra = 0;
    stream_.next_out = &extra;
    stream_.avail_out = 1;
    int status = Z_OK;
    while (status == Z_OK && stream_.avail_out == 1) status = step();
    check(status == Z_STREAM_END && stream_.avail_out == 1, "{}: the deflated data goes on past its {} bytes", name(),
          bytes());
    check(stream_.avail_in == 0 && consumed_ == entry_.compressed, "{}: bytes follow the deflated data", name());
    stop();
  }

  mutable z_stream stream_{};
  mutable bool running_ = false;
  mutable uint64_t position_ = 0;
  mutable uint64_t consumed_ = 0;
  mutable std::vector<std::byte> input_;
};

}  // namespace

std::shared_ptr<const StoredStorage> zip_entry_storage(std::shared_ptr<const ByteSource> source,
                                                       const ZipEntry& entry) {
  if (entry.deflated) return std::make_shared<DeflatedEntry>(std::move(source), entry);
  return std::make_shared<StoredEntry>(std::move(source), entry);
}

}  // namespace bevgrad
