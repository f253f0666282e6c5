#include "hdf5/internal/shared_storage.h"

#include <algorithm>
#include <cstring>
#include <mutex>

#include "base/error.h"
#include "base/text.h"

namespace bevgrad {

namespace {

// Holes between the parts: a few rows of a matrix, not a lie about its size.
constexpr uint64_t kHoleFactor = 64;
constexpr uint64_t kHoleSlack = 1 << 20;

/// A run of a storage's bytes and the parts that hold it.
struct Region {
  uint64_t begin = 0;
  uint64_t end = 0;
  std::vector<const SharedStorages::Part*> parts;
};

/// Regions in order of their bytes; those of one kind do not overlap.
struct Regions {
  std::vector<Region> direct;  // of one contiguous part each, which is read where it lies
  std::vector<Region> held;    // of parts with strides, put together in memory where no contiguous part covers them
};

uint64_t begin_of(const SharedStorages::Part& part) {
  return static_cast<uint64_t>(part.offset) * item_size(part.values.dtype);
}

/// One past the last byte that a part which is not empty reaches; its strides have been checked.
uint64_t end_of(const SharedStorages::Part& part) {
  int64_t last = part.offset;
  for (size_t d = 0; d < part.strides.size(); ++d) last += (part.values.sizes[d] - 1) * part.strides[d];
  return (static_cast<uint64_t>(last) + 1) * item_size(part.values.dtype);
}

Regions regions_of(const std::vector<SharedStorages::Part>& parts) {
  std::vector<const SharedStorages::Part*> order;
  for (const SharedStorages::Part& part : parts) {
    if (part.values.numel() > 0) order.push_back(&part);
  }
  const auto is_direct = [](const SharedStorages::Part& part) {
    return is_dense(part.values.sizes, part.strides, MemoryFormat::Contiguous);
  };
  // By their beginning, the longest first.
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return std::make_pair(begin_of(*a), UINT64_MAX - end_of(*a)) <
           std::make_pair(begin_of(*b), UINT64_MAX - end_of(*b));
  });
  std::vector<Region> direct;
  for (const auto* part : order) {
    if (!is_direct(*part)) continue;
    const uint64_t begin = std::max(begin_of(*part), direct.empty() ? 0 : direct.back().end);
    if (begin < end_of(*part)) direct.push_back({begin, end_of(*part), {part}});
  }
  std::vector<Region> held;
  size_t at = 0;
  for (const auto* part : order) {
    if (is_direct(*part)) continue;
    // The contiguous parts that begin before it, as far as they reach without a hole.
    const uint64_t begin = begin_of(*part);
    const uint64_t end = end_of(*part);
    while (at < direct.size() && direct[at].end <= begin) ++at;
    uint64_t covered = begin;
    for (size_t i = at; i < direct.size() && direct[i].begin <= covered && covered < end; ++i) covered = direct[i].end;
    if (covered >= end) continue;
    if (!held.empty() && begin < held.back().end) {
      held.back().end = std::max(held.back().end, end);
      held.back().parts.push_back(part);
    } else {
      held.push_back({begin, end, {part}});
    }
  }
  return {std::move(direct), std::move(held)};
}

/// A storage put together from its parts as it is read. Contiguous parts are read where they lie; what only parts with
/// strides have is put together when it is read first, and let go when it has been read to its end.
class AssembledStorage : public StoredStorage {
 public:
  AssembledStorage(std::string name, uint64_t bytes, std::vector<SharedStorages::Part> parts)
      : StoredStorage(std::move(name), bytes), parts_(std::move(parts)), regions_(regions_of(parts_)) {
    bytes_.resize(regions_.held.size());
  }

  void verify() const override {
    for (const SharedStorages::Part& part : parts_) part.values.storage->verify();
  }

 private:
  void read_checked(uint64_t offset, std::span<std::byte> out) const override {
    std::fill(out.begin(), out.end(), std::byte{0});
    const std::scoped_lock lock(mutex_);
    // Held regions first: where a contiguous part lies among them, its bytes are the same and overwrite them.
    for_each_overlap(regions_.held, offset, out, [&](size_t i, uint64_t from, std::span<std::byte> to) {
      const Region& region = regions_.held[i];
      if (bytes_[i].empty()) assemble(i);
      std::memcpy(to.data(), bytes_[i].data() + (from - region.begin), to.size());
      if (from + to.size() == region.end) std::vector<std::byte>().swap(bytes_[i]);
    });
    for_each_overlap(regions_.direct, offset, out, [&](size_t i, uint64_t from, std::span<std::byte> to) {
      const SharedStorages::Part& part = *regions_.direct[i].parts[0];
      const uint64_t first = static_cast<uint64_t>(part.values.offset) * item_size(part.values.dtype);
      part.values.storage->read(first + from - begin_of(part), to);
    });
  }

  /// Calls `use` with each region that `out`, at `offset`, overlaps: its number, where the overlap begins, its place.
  template <class Use>
  static void for_each_overlap(const std::vector<Region>& regions, uint64_t offset, std::span<std::byte> out, Use use) {
    const uint64_t end = offset + out.size();
    auto at = std::partition_point(regions.begin(), regions.end(), [&](const Region& r) { return r.end <= offset; });
    for (; at != regions.end() && at->begin < end; ++at) {
      const uint64_t from = std::max(offset, at->begin);
      use(static_cast<size_t>(at - regions.begin()), from, out.subspan(from - offset, std::min(end, at->end) - from));
    }
  }

  void assemble(size_t number) const {
    const Region& region = regions_.held[number];
    std::vector<std::byte>& bytes = bytes_[number];
    bytes.assign(region.end - region.begin, std::byte{0});
    for (const SharedStorages::Part* part : region.parts) {
      const size_t step = item_size(part->values.dtype);
      Shape index(part->strides.size(), 0);
      size_t at = begin_of(*part) - region.begin;
      for_each_piece(part->values, [&](std::span<const std::byte> piece) {
        for (size_t i = 0; i < piece.size(); i += step) {
          std::memcpy(&bytes[at], &piece[i], step);
          for (size_t d = index.size(); d > 0; --d) {
            at += static_cast<size_t>(part->strides[d - 1]) * step;
            if (++index[d - 1] < part->values.sizes[d - 1]) break;
            at -= static_cast<size_t>(index[d - 1] * part->strides[d - 1]) * step;
            index[d - 1] = 0;
          }
        }
      });
    }
  }

  std::vector<SharedStorages::Part> parts_;
  Regions regions_;
  mutable std::mutex mutex_;
  mutable std::vector<std::vector<std::byte>> bytes_;  // of held regions, while they are read
};

/// Bytes that the parts reach, checked for overflow.
uint64_t reach_of(const SharedStorages::Part& part, const std::string& where) {
  int64_t last = part.offset;
  bool wrong = part.offset < 0;
  for (size_t d = 0; d < part.strides.size(); ++d) {
    int64_t step = 0;
    if (part.values.sizes[d] == 0) return 0;
    wrong |= part.strides[d] < 0;
    wrong |= __builtin_mul_overflow(part.values.sizes[d] - 1, part.strides[d], &step);
    wrong |= __builtin_add_overflow(last, step, &last);
  }
  uint64_t bytes = 0;
  wrong |= __builtin_mul_overflow(static_cast<uint64_t>(last) + 1, item_size(part.values.dtype), &bytes);
  check(!wrong && bytes <= INT64_MAX, "{}: its strides and offset overflow", where);
  return bytes;
}

}  // namespace

void SharedStorages::attach(Document& document) {
  std::map<int64_t, std::vector<size_t>> groups;
  int64_t own = -1;
  for (size_t i = 0; i < parts_.size(); ++i) {
    const auto& storage = parts_[i].second.storage;
    groups[storage && *storage >= 0 ? *storage : own--].push_back(i);
  }
  for (const auto& [number, members] : groups) {
    uint64_t bytes = 0;
    uint64_t held = 0;
    std::string where;
    for (const size_t i : members) {
      const Part& part = parts_[i].second;
      where = fmt::format("{}: /{}", document.source(), printable(part.path));
      check(part.values.dtype == parts_[members[0]].second.values.dtype,
            "{}: shares a storage with tensors of another dtype", where);
      bytes = std::max(bytes, reach_of(part, where));
      held += part.values.nbytes();
    }
    check(bytes / kHoleFactor <= held + kHoleSlack / kHoleFactor,
          "{}: a storage of {} bytes is claimed for {} bytes of values", where, bytes, held);
    std::vector<Part> parts;
    for (const size_t i : members) parts.push_back(parts_[i].second);
    const auto storage = std::make_shared<AssembledStorage>(where, bytes, std::move(parts));
    for (const size_t i : members) {
      StoredTensor& tensor = *document.node(parts_[i].first).tensor;
      tensor.storage = storage;
      tensor.offset = parts_[i].second.offset;
      tensor.strides = parts_[i].second.strides;
      validate(tensor, where);
    }
  }
}

}  // namespace bevgrad
