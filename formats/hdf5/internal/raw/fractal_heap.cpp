#include <bit>

#include "base/error.h"
#include "hdf5/internal/raw/btree.h"
#include "hdf5/internal/raw/heap.h"
#include "internal/verify_checksums.h"

namespace bevgrad::hdf5 {

namespace {

constexpr uint64_t kMaximumBlock = 1 << 20;
// Objects are found block by block, in an order that need not be that of the blocks; so many are kept.
constexpr size_t kIndexesKept = 64;
constexpr uint64_t kBytesKept = 64 << 20;

}  // namespace

FractalHeap::FractalHeap(const File& file, uint64_t address) : file_(file) {
  const uint64_t offset = file.sizes().offset;
  const uint64_t length = file.sizes().length;
  Block head = file.block(address, 26 + 3 * offset + 12 * length, "heap");
  where_ = head.where();
  head.signature("FRHP");
  head.version(0);
  id_bytes_ = head.u16();
  const uint16_t filters = head.u16();
  check(filters == 0, "{}: a compressed heap is not supported", where_);
  head = file.block(address, 26 + 3 * offset + 12 * length, "heap");
  head.verify_checksum();
  head.skip(9);
  checksums_ = (head.u8() & 2) != 0;
  largest_ = head.u32();
  head.length();
  large_tree_ = head.offset();
  head.length();
  head.offset();
  for (int i = 0; i < 8; ++i) head.length();
  width_ = head.u16();
  first_bytes_ = head.length();
  most_direct_ = head.length();
  const uint64_t address_bits = head.u16();
  head.skip(2);
  root_ = head.offset();
  root_rows_ = head.u16();
  check(width_ > 0 && width_ <= 1024 && std::has_single_bit(first_bytes_) && std::has_single_bit(most_direct_) &&
            first_bytes_ <= most_direct_ && most_direct_ <= kMaximumBlock && address_bits >= 1 && address_bits <= 64 &&
            root_rows_ <= 64 && largest_ > 0 && largest_ <= most_direct_ && id_bytes_ >= 2,
        "{}: damaged: its sizes contradict one another", where_);
  direct_rows_ = static_cast<uint64_t>(std::countr_zero(most_direct_) - std::countr_zero(first_bytes_)) + 2;
  offset_width_ = static_cast<size_t>((address_bits + 7) / 8);
  length_width_ = std::min<size_t>((static_cast<size_t>(std::countr_zero(most_direct_)) + 7) / 8,
                                   (static_cast<size_t>(std::bit_width(largest_)) - 1 + 7) / 8);
}

Block FractalHeap::object(Block& id) {
  const uint64_t begin = id.position();
  const uint8_t head = id.u8();
  check((head >> 6) == 0, "{}: version {} of an object's place is not known", where_, head >> 6);
  Block out;
  switch ((head >> 4) & 3) {
    case 0: {
      const uint64_t offset = id.number(offset_width_);
      out = managed(offset, length_width_ == 0 ? 1 : id.number(length_width_));
      break;
    }
    case 1: {
      // Where the ID has room for it, it is the place itself.
      const uint64_t direct = uint64_t{file_.sizes().offset} + file_.sizes().length;
      if (id_bytes_ - 1 >= direct) {
        const uint64_t address = id.offset();
        out = file_.block(address, id.length(), "large object of a heap");
      } else {
        out = large(id.number(std::min<size_t>(8, id_bytes_ - 1)));
      }
      break;
    }
    case 2: {
      uint64_t bytes = (head & 0xfu) + 1;
      if (id_bytes_ > 18) bytes = (uint64_t{head & 0xfu} << 8 | id.u8()) + 1;
      out = id.part(bytes, where_);
      break;
    }
    default:
      fail("{}: damaged: an object of no kind", where_);
  }
  check(id.position() - begin <= id_bytes_, "{}: damaged: an object's place is too long", where_);
  id.skip(id_bytes_ - (id.position() - begin));
  return out;
}

uint64_t FractalHeap::row_bytes(uint64_t row) const {
  return row == 0 ? first_bytes_ : first_bytes_ << (row - 1);
}

Block FractalHeap::managed(uint64_t offset, uint64_t bytes) {
  uint64_t address = root_;
  uint64_t block_bytes = first_bytes_;
  uint64_t at = offset;
  if (root_rows_ > 0) {
    uint64_t rows = root_rows_;
    while (true) {
      const Indirect& node = indirect(address, rows);
      // Rows 0 and 1 have blocks of the first size, each further row of twice the one before.
      uint64_t row = 0;
      uint64_t row_begin = 0;
      while (row < rows && at - row_begin >= width_ * row_bytes(row)) row_begin += width_ * row_bytes(row++);
      check(row < rows, "{}: damaged: an object at byte {}, past its end", where_, offset);
      const uint64_t column = (at - row_begin) / row_bytes(row);
      at -= row_begin + column * row_bytes(row);
      address = node.children[row * width_ + column];
      block_bytes = row_bytes(row);
      if (row < direct_rows_) break;
      const int levels = std::bit_width(block_bytes / first_bytes_ / width_);
      check(levels >= 1 && static_cast<uint64_t>(levels) < rows, "{}: damaged: blocks of blocks without end", where_);
      rows = static_cast<uint64_t>(levels);
    }
  }
  check(address != kUndefined, "{}: damaged: an object in a block that is not there", where_);
  const std::string& block = direct(address, block_bytes);
  check(at <= block.size() && bytes <= block.size() - at, "{}: damaged: an object of {} bytes leaves its block", where_,
        bytes);
  return {block.substr(at, bytes), where_, file_.sizes()};
}

const FractalHeap::Indirect& FractalHeap::indirect(uint64_t address, uint64_t rows) {
  const auto known = indirect_.find(address);
  if (known != indirect_.end() && known->second.rows == rows) return known->second;
  check(rows <= 64 && std::countr_zero(first_bytes_) + static_cast<int>(rows) + std::bit_width(width_) < 63,
        "{}: damaged: {} rows of blocks", where_, rows);
  const uint64_t offset = file_.sizes().offset;
  Block block =
      file_.block(address, 5 + offset + offset_width_ + rows * width_ * offset + 4, "index of a heap's blocks");
  block.verify_checksum();
  block.signature("FHIB");
  block.version(0);
  block.skip(offset + offset_width_);
  if (indirect_.size() >= kIndexesKept) indirect_.clear();
  Indirect& node = indirect_[address];
  node = {};
  node.rows = rows;
  for (uint64_t i = 0; i < rows * width_; ++i) node.children.push_back(block.offset());
  return node;
}

const std::string& FractalHeap::direct(uint64_t address, uint64_t bytes) {
  const auto known = direct_.find(address);
  if (known != direct_.end() && known->second.size() == bytes) return known->second;
  Block block = file_.block(address, bytes, "block of a heap");
  std::string all = block.take(bytes);
  Block head(all, block.where(), file_.sizes());
  head.signature("FHDB");
  head.version(0);
  head.skip(uint64_t{file_.sizes().offset} + offset_width_);
  if (checksums_) {
    // Computed with its own four bytes as zeros.
    const uint64_t place = head.position();
    const uint32_t stored = head.u32();
    std::string zeroed = all;
    zeroed.replace(place, 4, 4, '\0');
    check(!kVerifyChecksums || lookup3(zeroed) == stored, "{}: damaged: its checksum does not hold", block.where());
  }
  if (direct_bytes_ + bytes > kBytesKept) {
    direct_.clear();
    direct_bytes_ = 0;
  }
  direct_bytes_ += bytes;
  return direct_[address] = std::move(all);
}

Block FractalHeap::large(uint64_t number) {
  if (!large_) {
    large_ = std::make_unique<std::unordered_map<uint64_t, Large>>();
    check(large_tree_ != kUndefined, "{}: damaged: a large object, but no list of them", where_);
    walk_tree_v2(file_, large_tree_, 1, [&](Block& record) {
      Large object;
      object.address = record.offset();
      object.bytes = record.length();
      (*large_)[record.length()] = object;
    });
  }
  const auto found = large_->find(number);
  check(found != large_->end(), "{}: damaged: no large object {}", where_, number);
  return file_.block(found->second.address, found->second.bytes, "large object of a heap");
}

}  // namespace bevgrad::hdf5
