#include "hdf5/internal/raw/file.h"

#include <algorithm>

#include "base/error.h"

namespace bevgrad::hdf5 {

namespace {

constexpr uint64_t kSuperblockBytes = 96 + 8;
// Structures of an honest file are read a few times each.
constexpr uint64_t kReadFactor = 64;
constexpr uint64_t kReadSlack = 256 << 20;

}  // namespace

File::File(std::shared_ptr<const ByteSource> source) : source_(std::move(source)) {
  const std::string& name = source_->name();
  budget_ = kReadSlack + std::min<uint64_t>(source_->size(), uint64_t{1} << 50) * kReadFactor;
  check(source_->size() >= 8, "{}: not an HDF5 file", name);
  Block first = block_up_to(0, kSuperblockBytes, "superblock");
  check(first.take(8) == "\x89HDF\r\n\x1a\n", "{}: not an HDF5 file", name);
  const uint8_t version = first.u8();
  check(version <= 3, "{}: HDF5 superblock version {} is not known", name, version);
  if (version < 2) first.skip(4);
  sizes_.offset = first.u8();
  sizes_.length = first.u8();
  for (const uint8_t size : {sizes_.offset, sizes_.length}) {
    check(size == 2 || size == 4 || size == 8, "{}: HDF5 addresses of {} bytes", name, size);
  }
  uint64_t base = 0;
  uint64_t end = 0;
  if (version < 2) {
    Block rest = block_up_to(0, kSuperblockBytes, "superblock");
    rest.skip(version == 0 ? 24 : 28);
    base = rest.offset();
    rest.skip(sizes_.offset);
    end = rest.offset();
    rest.skip(2 * sizes_.offset);
    root_ = rest.offset();
  } else {
    Block rest = block(0, 12 + 4 * uint64_t{sizes_.offset} + 4, "superblock");
    rest.verify_checksum();
    rest.skip(11);
    const uint8_t flags = rest.u8();
    check(version < 3 || (flags & 1) == 0, "{}: damaged: the program that wrote it did not close it", name);
    base = rest.offset();
    rest.skip(sizes_.offset);
    end = rest.offset();
    root_ = rest.offset();
  }
  check(base == 0, "{}: an HDF5 file with a base address ({})", name, base);
  check(end <= source_->size(), "{}: cut short: {} bytes, but the file was {} long", name, source_->size(), end);
}

Block File::block(uint64_t address, uint64_t bytes, std::string_view what) const {
  const uint64_t size = source_->size();
  check(address <= size && bytes <= size - address, "{}: damaged: {} of {} bytes at byte {} leaves the file",
        source_->name(), what, bytes, address);
  check(bytes <= budget_, "{}: damaged: its structures lead to one another without end", source_->name());
  budget_ -= bytes;
  std::string out(bytes, '\0');
  source_->read(address, std::as_writable_bytes(std::span(out)));
  return {std::move(out), fmt::format("{}: {} at byte {}", source_->name(), what, address), sizes_};
}

Block File::block_up_to(uint64_t address, uint64_t bytes, std::string_view what) const {
  const uint64_t size = source_->size();
  check(address < size, "{}: damaged: {} at byte {} leaves the file", source_->name(), what, address);
  return block(address, std::min(bytes, size - address), what);
}

void File::read(uint64_t address, std::span<std::byte> out) const {
  source_->read(address, out);
}

}  // namespace bevgrad::hdf5
