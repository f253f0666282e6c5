#include "hdf5/internal/raw/btree.h"

#include <bit>
#include <unordered_set>
#include <vector>

#include "base/error.h"

namespace bevgrad::hdf5 {

namespace {

constexpr int kMaximumTreeDepth = 32;

/// Bytes that hold any number up to `limit`.
size_t width_for(uint64_t limit) {
  return limit == 0 ? 1 : static_cast<size_t>(std::bit_width(limit) - 1) / 8 + 1;
}

struct Pending {
  uint64_t address;
  int level;  // 0: a leaf; -1: not known yet
  uint64_t records = 0;
};

/// A tree whose nodes are each visited once.
class Visited {
 public:
  void enter(const File& file, uint64_t address) {
    check(seen_.insert(address).second, "{}: damaged: the tree node at byte {} has two parents", file.source().name(),
          address);
  }

 private:
  std::unordered_set<uint64_t> seen_;
};

}  // namespace

void walk_tree_v1(const File& file, uint64_t address, TreeV1 kind, uint64_t key_bytes,
                  const std::function<void(Block& key, uint64_t child)>& leaf) {
  const uint64_t offset_bytes = file.sizes().offset;
  const uint64_t head = 8 + 2 * offset_bytes;
  Visited visited;
  // The last one first, so that entries come in their order.
  std::vector<Pending> pending{{address, -1}};
  while (!pending.empty()) {
    const Pending node = pending.back();
    pending.pop_back();
    visited.enter(file, node.address);
    Block start = file.block(node.address, head, "tree node");
    start.signature("TREE");
    check(start.u8() == static_cast<uint8_t>(kind), "{}: damaged: a tree of another kind", start.where());
    const int level = start.u8();
    const uint64_t entries = start.u16();
    check(level < kMaximumTreeDepth && (node.level < 0 || level == node.level),
          "{}: damaged: it is on level {}, not {}", start.where(), level, node.level);
    Block block = file.block(node.address, head + entries * (key_bytes + offset_bytes) + key_bytes, "tree node");
    block.skip(head);
    const size_t before = pending.size();
    for (uint64_t i = 0; i < entries; ++i) {
      Block key = block.part(key_bytes);
      const uint64_t child = block.offset();
      if (level == 0) {
        leaf(key, child);
      } else {
        pending.insert(pending.begin() + static_cast<std::ptrdiff_t>(before), {child, level - 1});
      }
    }
  }
}

void walk_tree_v2(const File& file, uint64_t address, uint8_t type, const std::function<void(Block& record)>& record) {
  const uint64_t offset_bytes = file.sizes().offset;
  const uint64_t length_bytes = file.sizes().length;
  Block head = file.block(address, 22 + offset_bytes + length_bytes, "tree");
  head.verify_checksum();
  head.signature("BTHD");
  head.version(0);
  check(head.u8() == type, "{}: damaged: a tree of another kind", head.where());
  const uint64_t node_bytes = head.u32();
  const uint64_t record_bytes = head.u16();
  const int depth = head.u16();
  head.skip(2);
  const uint64_t root = head.offset();
  const uint64_t root_records = head.u16();
  const uint64_t total = head.length();
  if (root == kUndefined || total == 0) return;
  constexpr uint64_t kPrefix = 6;
  constexpr uint64_t kOverhead = kPrefix + 4;
  check(depth < kMaximumTreeDepth && record_bytes > 0 && node_bytes > kOverhead + record_bytes,
        "{}: damaged: depth {}, nodes of {} bytes, records of {}", head.where(), depth, node_bytes, record_bytes);

  // How many records a node of each level holds at most, which says how wide the counts in its parent are.
  std::vector<uint64_t> most{(node_bytes - kOverhead) / record_bytes};
  std::vector<size_t> total_width{0};
  const size_t count_width = width_for(most[0]);
  uint64_t below = most[0];
  for (int level = 1; level <= depth; ++level) {
    const uint64_t pointer = offset_bytes + count_width + total_width.back();
    check(node_bytes > kOverhead + pointer + record_bytes + pointer, "{}: damaged: nodes of {} bytes", head.where(),
          node_bytes);
    most.push_back((node_bytes - kOverhead - pointer) / (record_bytes + pointer));
    uint64_t all = 0;
    const bool overflow = __builtin_mul_overflow(most.back() + 1, below, &all);
    if (overflow || __builtin_add_overflow(all, most.back(), &all)) all = ~uint64_t{0};
    below = all;
    total_width.push_back(width_for(below));
  }

  Visited visited;
  std::vector<Pending> pending{{root, depth, root_records}};
  uint64_t seen = 0;
  while (!pending.empty()) {
    const Pending node = pending.back();
    pending.pop_back();
    visited.enter(file, node.address);
    const auto level = static_cast<size_t>(node.level);
    check(node.records <= most[level], "{}: damaged: a node with {} records, {} have room", head.where(), node.records,
          most[level]);
    const uint64_t pointer = level == 0 ? 0 : offset_bytes + count_width + total_width[level - 1];
    const uint64_t pointers = level == 0 ? 0 : (node.records + 1) * pointer;
    Block block = file.block(node.address, kPrefix + node.records * record_bytes + pointers + 4, "tree node");
    block.verify_checksum();
    block.signature(level == 0 ? "BTLF" : "BTIN");
    block.version(0);
    check(block.u8() == type, "{}: damaged: a tree of another kind", block.where());
    for (uint64_t i = 0; i < node.records; ++i) {
      Block one = block.part(record_bytes);
      record(one);
    }
    seen += node.records;
    check(seen <= total, "{}: damaged: more than its {} records", head.where(), total);
    for (uint64_t i = 0; level > 0 && i <= node.records; ++i) {
      const uint64_t child = block.offset();
      const uint64_t records = block.number(count_width);
      if (total_width[level - 1] > 0) block.skip(total_width[level - 1]);
      pending.push_back({child, node.level - 1, records});
    }
  }
  check(seen == total, "{}: damaged: {} records instead of {}", head.where(), seen, total);
}

}  // namespace bevgrad::hdf5
