// The two arrays by which newer files find chunks: a fixed one, and one that grows.
#include <bit>

#include "base/error.h"
#include "hdf5/internal/raw/chunks.h"

namespace bevgrad::hdf5 {

namespace {

/// How an entry of an array is written.
struct EntryForm {
  uint64_t bytes = 0;
  bool filtered = false;
};

void read_entries(Block& block, uint64_t first, uint64_t count, const EntryForm& form, const ChunkGrid& grid,
                  const ArrayEntry& entry) {
  for (uint64_t i = 0; i < count; ++i) {
    Block one = block.part(form.bytes);
    Chunk chunk{.address = one.offset(), .bytes = grid.bytes()};
    if (form.filtered) {
      chunk.bytes = one.number(form.bytes - one.position() - 4);
      chunk.skipped_filters = one.u32();
    }
    entry(first + i, chunk);
  }
}

EntryForm entry_form(const File& file, uint8_t client, uint64_t bytes, const std::string& where) {
  const uint64_t plain = file.sizes().offset;
  check(client <= 1 && (client == 0 ? bytes == plain : bytes > plain + 4 && bytes <= plain + 12),
        "{}: damaged: entries of {} bytes", where, bytes);
  return {bytes, client == 1};
}

/// Bit `i` of a map, the highest of a byte first.
bool bit(const std::string& map, uint64_t i) {
  return i / 8 < map.size() && (static_cast<uint8_t>(map[i / 8]) & (0x80 >> (i % 8))) != 0;
}

}  // namespace

void read_fixed_array(const File& file, uint64_t address, const ChunkGrid& grid, const ArrayEntry& entry) {
  const uint64_t offset = file.sizes().offset;
  Block head = file.block(address, 12 + file.sizes().length + offset, "list of chunks");
  head.verify_checksum();
  head.signature("FAHD");
  head.version(0);
  const uint8_t client = head.u8();
  const EntryForm form = entry_form(file, client, head.u8(), head.where());
  const uint64_t page_bits = head.u8();
  const uint64_t entries = head.length();
  const uint64_t at = head.offset();
  if (at == kUndefined) return;
  check(page_bits < 32 && entries <= file.size() / form.bytes, "{}: damaged: {} chunks", head.where(), entries);
  const uint64_t page = uint64_t{1} << page_bits;
  const uint64_t prefix = 6 + offset;
  if (entries <= page) {
    Block block = file.block(at, prefix + entries * form.bytes + 4, "list of chunks");
    block.verify_checksum();
    block.signature("FADB");
    block.version(0);
    block.skip(1 + offset);
    return read_entries(block, 0, entries, form, grid, entry);
  }
  const uint64_t pages = (entries + page - 1) / page;
  const uint64_t map_bytes = (pages + 7) / 8;
  Block block = file.block(at, prefix + map_bytes + 4, "list of chunks");
  block.verify_checksum();
  block.signature("FADB");
  block.version(0);
  block.skip(1 + offset);
  const std::string written = block.take(map_bytes);
  const uint64_t begin = at + prefix + map_bytes + 4;
  for (uint64_t i = 0; i < pages; ++i) {
    if (!bit(written, i)) continue;
    const uint64_t count = std::min(page, entries - i * page);
    Block part = file.block(begin + i * (page * form.bytes + 4), count * form.bytes + 4, "list of chunks");
    part.verify_checksum();
    read_entries(part, i * page, count, form, grid, entry);
  }
}

namespace {

class ExtensibleArray {
 public:
  ExtensibleArray(const File& file, uint64_t address, const ChunkGrid& grid, const ArrayEntry& entry)
      : file_(file), grid_(grid), entry_(entry), offset_(file.sizes().offset) {
    Block head = file.block(address, 16 + 6 * uint64_t{file.sizes().length} + offset_, "list of chunks");
    head.verify_checksum();
    head.signature("EAHD");
    head.version(0);
    where_ = head.where();
    const uint8_t client = head.u8();
    form_ = entry_form(file, client, head.u8(), where_);
    index_bits_ = head.u8();
    in_index_ = head.u8();
    smallest_ = head.u8();
    const uint64_t pointers = head.u8();
    page_bits_ = head.u8();
    for (int i = 0; i < 4; ++i) head.length();
    end_ = head.length();
    head.length();
    index_ = head.offset();
    check(index_bits_ >= 1 && index_bits_ <= 64 && std::has_single_bit(smallest_) && std::has_single_bit(pointers) &&
              page_bits_ < 32 && static_cast<uint64_t>(std::countr_zero(smallest_)) <= index_bits_,
          "{}: damaged: its sizes contradict one another", where_);
    check(end_ <= file.size() / form_.bytes, "{}: damaged: {} chunks", where_, end_);
    blocks_in_index_ = 2 * (pointers - 1);
    levels_ = 1 + index_bits_ - static_cast<uint64_t>(std::countr_zero(smallest_));
    first_level_ = 2 * static_cast<uint64_t>(std::countr_zero(pointers));
    check(first_level_ <= levels_, "{}: damaged: its sizes contradict one another", where_);
  }

  void run() {
    if (index_ == kUndefined || end_ == 0) return;
    const uint64_t addresses = blocks_in_index_ + levels_ - first_level_;
    Block index =
        file_.block(index_, 6 + offset_ + in_index_ * form_.bytes + addresses * offset_ + 4, "list of chunks");
    index.verify_checksum();
    index.signature("EAIB");
    index.version(0);
    index.skip(1 + offset_);
    read_entries(index, 0, in_index_, form_, grid_, entry_);
    next_ = in_index_;
    // Level u has 2^(u/2) blocks of smallest * 2^((u+1)/2) entries; the first levels' blocks are in the index itself.
    for (uint64_t level = 0; level < levels_ && next_ < end_; ++level) {
      const uint64_t blocks = uint64_t{1} << (level / 2);
      const uint64_t entries = smallest_ << ((level + 1) / 2);
      if (level < first_level_) {
        for (uint64_t b = 0; b < blocks; ++b) read_block(index.offset(), entries, "", 0);
      } else {
        read_level(index.offset(), blocks, entries);
      }
    }
  }

 private:
  uint64_t place_bytes() const { return (index_bits_ + 7) / 8; }
  uint64_t pages_of(uint64_t entries) const {
    return entries > (uint64_t{1} << page_bits_) ? entries >> page_bits_ : 0;
  }

  void read_level(uint64_t address, uint64_t blocks, uint64_t entries) {
    if (address == kUndefined) {
      next_ += blocks * entries;
      return;
    }
    const uint64_t pages = pages_of(entries);
    const uint64_t map_bytes = blocks * ((pages + 7) / 8);
    Block level =
        file_.block(address, 6 + offset_ + place_bytes() + map_bytes + blocks * offset_ + 4, "list of chunks");
    level.verify_checksum();
    level.signature("EASB");
    level.version(0);
    level.skip(1 + offset_ + place_bytes());
    const std::string written = level.take(map_bytes);
    for (uint64_t b = 0; b < blocks && next_ < end_; ++b) read_block(level.offset(), entries, written, b * pages);
  }

  void read_block(uint64_t address, uint64_t entries, const std::string& written, uint64_t first_page) {
    const uint64_t first = next_;
    next_ += entries;
    if (address == kUndefined) return;
    const uint64_t prefix = 6 + offset_ + place_bytes();
    const uint64_t pages = pages_of(entries);
    Block block = file_.block(address, prefix + (pages > 0 ? 0 : entries * form_.bytes) + 4, "list of chunks");
    block.verify_checksum();
    block.signature("EADB");
    block.version(0);
    block.skip(1 + offset_ + place_bytes());
    if (pages == 0) return read_entries(block, first, entries, form_, grid_, entry_);
    const uint64_t page = uint64_t{1} << page_bits_;
    for (uint64_t i = 0; i < pages; ++i) {
      if (!bit(written, first_page + i)) continue;
      Block part =
          file_.block(address + prefix + 4 + i * (page * form_.bytes + 4), page * form_.bytes + 4, "list of chunks");
      part.verify_checksum();
      read_entries(part, first + i * page, page, form_, grid_, entry_);
    }
  }

  const File& file_;
  const ChunkGrid& grid_;
  const ArrayEntry& entry_;
  const uint64_t offset_;
  std::string where_;
  EntryForm form_;
  uint64_t index_bits_ = 0;
  uint64_t in_index_ = 0;
  uint64_t smallest_ = 1;
  uint64_t page_bits_ = 0;
  uint64_t end_ = 0;
  uint64_t index_ = kUndefined;
  uint64_t blocks_in_index_ = 0;
  uint64_t levels_ = 0;
  uint64_t first_level_ = 0;
  uint64_t next_ = 0;
};

}  // namespace

void read_extensible_array(const File& file, uint64_t address, const ChunkGrid& grid, const ArrayEntry& entry) {
  ExtensibleArray(file, address, grid, entry).run();
}

}  // namespace bevgrad::hdf5
