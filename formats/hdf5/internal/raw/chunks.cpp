#include "hdf5/internal/raw/chunks.h"

#include <algorithm>

#include "base/error.h"
#include "hdf5/internal/raw/btree.h"

namespace bevgrad::hdf5 {

namespace {

class ChunkReader {
 public:
  ChunkReader(const File& file, const ObjectHeader& object, const Layout& layout, const Dataspace& space,
              const ChunkGrid& grid, bool filtered)
      : file_(file), object_(object), layout_(layout), space_(space), grid_(grid), filtered_(filtered) {}

  std::vector<Chunk> run() {
    if (layout_.address == kUndefined) return {};
    switch (layout_.index) {
      case ChunkIndex::TreeV1:
        read_tree_v1();
        break;
      case ChunkIndex::Single:
        add(0, {.address = layout_.address,
                .bytes = layout_.single_filtered ? layout_.single_bytes : grid_.bytes(),
                .skipped_filters = layout_.single_mask});
        break;
      case ChunkIndex::Implicit:
        read_implicit();
        break;
      case ChunkIndex::FixedArray:
        set_order(std::nullopt);
        read_fixed_array(file_, layout_.address, grid_, [&](uint64_t i, Chunk chunk) { add_ordered(i, chunk); });
        break;
      case ChunkIndex::ExtensibleArray:
        set_order(unlimited());
        read_extensible_array(file_, layout_.address, grid_, [&](uint64_t i, Chunk chunk) { add_ordered(i, chunk); });
        break;
      case ChunkIndex::TreeV2:
        walk_tree_v2(file_, layout_.address, filtered_ ? 11 : 10, [&](Block& record) { add_record(record); });
        break;
    }
    check_overlaps();
    std::sort(out_.begin(), out_.end(), [](const Chunk& a, const Chunk& b) { return a.number < b.number; });
    for (size_t i = 1; i < out_.size(); ++i) {
      check(out_[i - 1].number != out_[i].number, "{}: damaged: a chunk is there twice", object_.where);
    }
    return std::move(out_);
  }

 private:
  /// Number of the chunk at a place of the grid; nothing where the dataset no longer reaches there.
  std::optional<uint64_t> number_of(const std::vector<uint64_t>& place) const {
    uint64_t number = 0;
    for (size_t d = 0; d < place.size(); ++d) {
      const auto count = static_cast<uint64_t>(grid_.counts[d]);
      if (place[d] >= count) return std::nullopt;
      number = number * count + place[d];
    }
    return number;
  }

  void add(uint64_t number, Chunk chunk) {
    if (chunk.address == kUndefined) return;
    chunk.number = number;
    check(chunk.address <= file_.size() && chunk.bytes <= file_.size() - chunk.address,
          "{}: cut short: a chunk of {} bytes at byte {} leaves the file", object_.where, chunk.bytes, chunk.address);
    check(filtered_ || chunk.bytes == grid_.bytes(), "{}: damaged: a chunk of {} bytes instead of {}", object_.where,
          chunk.bytes, grid_.bytes());
    out_.push_back(chunk);
  }

  void read_tree_v1() {
    const size_t rank = grid_.counts.size();
    std::vector<uint64_t> place(rank);
    walk_tree_v1(file_, layout_.address, TreeV1::Chunks, 8 + 8 * (rank + 1), [&](Block& key, uint64_t address) {
      Chunk chunk{.address = address};
      chunk.bytes = key.u32();
      chunk.skipped_filters = key.u32();
      for (size_t d = 0; d < rank; ++d) {
        const uint64_t at = key.u64();
        const auto step = static_cast<uint64_t>(layout_.chunk[d]);
        check(at % step == 0, "{}: damaged: a chunk at element {}", object_.where, at);
        place[d] = at / step;
      }
      if (const auto number = number_of(place)) add(*number, chunk);
    });
  }

  void add_record(Block& record) {
    const size_t rank = grid_.counts.size();
    Chunk chunk{.address = record.offset(), .bytes = grid_.bytes()};
    if (filtered_) {
      const uint64_t fixed = uint64_t{file_.sizes().offset} + 4 + 8 * rank;
      check(record.size() > fixed && record.size() <= fixed + 8, "{}: damaged: records of {} bytes", object_.where,
            record.size());
      chunk.bytes = record.number(record.size() - fixed);
      chunk.skipped_filters = record.u32();
    }
    std::vector<uint64_t> place(rank);
    for (uint64_t& at : place) at = record.u64();
    if (const auto number = number_of(place)) add(*number, chunk);
  }

  size_t unlimited() const {
    for (size_t d = 0; d < space_.maximum.size(); ++d) {
      if (space_.maximum[d] < 0) return d;
    }
    fail("{}: damaged: an index of growing datasets for one that cannot grow", object_.where);
  }

  /// The order in which arrays number chunks: row-major over the largest sizes, a dimension without limit first.
  void set_order(std::optional<size_t> first) {
    if (first) order_.push_back(*first);
    for (size_t d = 0; d < grid_.counts.size(); ++d) {
      if (d != first) order_.push_back(d);
    }
    for (const size_t d : order_) {
      const int64_t most = space_.maximum[d];
      check(most >= space_.sizes[d] || d == first, "{}: damaged: sizes {}, but at most {}", object_.where,
            to_string(space_.sizes), to_string(space_.maximum));
      most_.push_back(d == first ? 0 : static_cast<uint64_t>((most - 1) / layout_.chunk[d] + 1));
    }
  }

  void add_ordered(uint64_t number, const Chunk& chunk) {
    std::vector<uint64_t> place(order_.size());
    for (size_t i = order_.size(); i > 0; --i) {
      if (i == 1) {
        place[order_[0]] = number;
      } else {
        const uint64_t count = std::max<uint64_t>(1, most_[i - 1]);
        place[order_[i - 1]] = number % count;
        number /= count;
      }
    }
    if (const auto at = number_of(place)) add(*at, chunk);
  }

  void read_implicit() {
    set_order(std::nullopt);
    uint64_t count = 1;
    bool overflow = false;
    for (const uint64_t most : most_) overflow |= __builtin_mul_overflow(count, most, &count);
    check(!overflow && count <= file_.size() / grid_.bytes(), "{}: cut short: {} chunks of {} bytes", object_.where,
          count, grid_.bytes());
    for (uint64_t i = 0; i < count; ++i) {
      add_ordered(i, {.address = layout_.address + i * grid_.bytes(), .bytes = grid_.bytes()});
    }
  }

  void check_overlaps() {
    std::sort(out_.begin(), out_.end(), [](const Chunk& a, const Chunk& b) { return a.address < b.address; });
    for (size_t i = 1; i < out_.size(); ++i) {
      check(out_[i - 1].address + out_[i - 1].bytes <= out_[i].address, "{}: damaged: two of its chunks overlap",
            object_.where);
    }
  }

  const File& file_;
  const ObjectHeader& object_;
  const Layout& layout_;
  const Dataspace& space_;
  const ChunkGrid& grid_;
  const bool filtered_;
  std::vector<size_t> order_;
  std::vector<uint64_t> most_;
  std::vector<Chunk> out_;
};

}  // namespace

std::vector<Chunk> read_chunks(const File& file, const ObjectHeader& object, const Layout& layout,
                               const Dataspace& space, const ChunkGrid& grid, bool filtered) {
  return ChunkReader(file, object, layout, space, grid, filtered).run();
}

}  // namespace bevgrad::hdf5
