#include "hdf5/internal/shared_storage.h"

#include <algorithm>
#include <cstring>
#include <mutex>

#include "base/error.h"
#include "base/text.h"
#include "pickle/internal/numbers.h"

namespace bevgrad {

namespace {

// Holes between the parts: a few rows of a matrix, not a lie about its size.
constexpr uint64_t kHoleFactor = 64;
constexpr uint64_t kHoleSlack = 1 << 20;

/// Bytes put together when they are read first, and let go when they have been read to the end.
class AssembledStorage : public StoredStorage {
 public:
  AssembledStorage(std::string name, uint64_t bytes) : StoredStorage(std::move(name), bytes) {}
  std::vector<SharedStorages::Part> parts;

 private:
  void read_checked(uint64_t offset, std::span<std::byte> out) const override {
    const std::scoped_lock lock(mutex_);
    if (bytes_.empty()) assemble();
    std::memcpy(out.data(), bytes_.data() + offset, out.size());
    if (offset + out.size() == bytes()) std::vector<std::byte>().swap(bytes_);
  }

  void assemble() const {
    bytes_.assign(bytes(), std::byte{0});
    for (const SharedStorages::Part& part : parts) {
      const size_t step = item_size(part.values.dtype);
      Shape index(part.strides.size(), 0);
      auto at = static_cast<size_t>(part.offset) * step;
      for_each_piece(part.values, [&](std::span<const std::byte> piece) {
        for (size_t i = 0; i < piece.size(); i += step) {
          std::memcpy(&bytes_[at], &piece[i], step);
          for (size_t d = index.size(); d > 0; --d) {
            at += static_cast<size_t>(part.strides[d - 1]) * step;
            if (++index[d - 1] < part.values.sizes[d - 1]) break;
            at -= static_cast<size_t>(index[d - 1] * part.strides[d - 1]) * step;
            index[d - 1] = 0;
          }
        }
      });
    }
  }

  mutable std::mutex mutex_;
  mutable std::vector<std::byte> bytes_;
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
    auto storage = std::make_shared<AssembledStorage>(where, bytes);
    for (const size_t i : members) storage->parts.push_back(parts_[i].second);
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
