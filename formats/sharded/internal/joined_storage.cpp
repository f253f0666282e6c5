#include "sharded/internal/joined_storage.h"

#include <algorithm>

#include "base/error.h"
#include "internal/computed_storage.h"

namespace bevgrad {

namespace {

constexpr size_t kComparedChunks = 2048;  // up to so many are compared pair by pair

class ConcatenatedStorage : public StoredStorage {
 public:
  ConcatenatedStorage(std::string name, uint64_t bytes, std::vector<Segment> segments, std::vector<uint64_t> ends)
      : StoredStorage(std::move(name), bytes), segments_(std::move(segments)), ends_(std::move(ends)) {}

  void verify() const override {
    for (const Segment& segment : segments_) segment.storage->verify();
  }

 private:
  void read_checked(uint64_t offset, std::span<std::byte> out) const override {
    auto at = static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), offset) - ends_.begin());
    while (!out.empty()) {
      const Segment& segment = segments_[at];
      const uint64_t begin = ends_[at] - segment.bytes;
      const uint64_t count = std::min<uint64_t>(out.size(), ends_[at] - offset);
      if (count > 0) segment.storage->read(segment.offset + (offset - begin), out.first(count));
      out = out.subspan(count);
      offset += count;
      ++at;
    }
  }

  std::vector<Segment> segments_;
  std::vector<uint64_t> ends_;
};

/// A chunk as runs of elements that lie together in the whole tensor, in the order in which they lie there.
struct Runs {
  std::shared_ptr<const StoredStorage> storage;
  uint64_t offset = 0;  // elements of the storage before the chunk
  int64_t length = 0;   // elements of a run
  int64_t count = 0;
  int64_t first = 0;  // where the first run lies
  Shape sizes;        // of the dimensions over which the runs are spread
  Shape steps;        // elements of the whole from one to the next

  /// Where run `index` lies in the whole.
  int64_t place(int64_t index) const {
    int64_t at = first;
    for (size_t d = sizes.size(); d > 0; --d) {
      at += index % sizes[d - 1] * steps[d - 1];
      index /= sizes[d - 1];
    }
    return at;
  }
};

class ChunkedStorage : public StoredStorage {
 public:
  ChunkedStorage(std::string name, uint64_t bytes, size_t step, std::vector<Runs> chunks)
      : StoredStorage(std::move(name), bytes), step_(step), chunks_(std::move(chunks)) {}

  void verify() const override {
    for (const Runs& chunk : chunks_) chunk.storage->verify();
  }

 private:
  void read_checked(uint64_t offset, std::span<std::byte> out) const override {
    check(offset % step_ == 0 && out.size() % step_ == 0, "{}: a part of a value is read", name());
    const auto begin = static_cast<int64_t>(offset / step_);
    const auto end = begin + static_cast<int64_t>(out.size() / step_);
    for (const Runs& chunk : chunks_) {
      // The places of runs only grow: the first that ends behind the beginning.
      int64_t low = 0;
      int64_t high = chunk.count;
      while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (chunk.place(middle) + chunk.length <= begin) {
          low = middle + 1;
        } else {
          high = middle;
        }
      }
      for (int64_t run = low; run < chunk.count; ++run) {
        const int64_t place = chunk.place(run);
        if (place >= end) break;
        const int64_t from = std::max(place, begin);
        const int64_t to = std::min(place + chunk.length, end);
        const uint64_t in_chunk = chunk.offset + static_cast<uint64_t>(run * chunk.length + from - place);
        chunk.storage->read(in_chunk * step_, out.subspan(static_cast<size_t>(from - begin) * step_,
                                                          static_cast<size_t>(to - from) * step_));
      }
    }
  }

  size_t step_;
  std::vector<Runs> chunks_;
};

Runs runs_of(const Chunk& chunk, const Shape& whole, const Shape& strides) {
  Runs out;
  if (chunk.values.is_contiguous()) {
    out.storage = chunk.values.storage;
    out.offset = static_cast<uint64_t>(chunk.values.offset);
  } else {
    out.storage = logical_storage(chunk.values);
  }
  const Shape& sizes = chunk.values.sizes;
  // Dimensions from `outer` on lie together: those behind it are whole.
  size_t outer = sizes.size();
  out.length = 1;
  while (outer > 0) {
    --outer;
    out.length *= sizes[outer];
    if (sizes[outer] != whole[outer]) break;
  }
  out.count = 1;
  for (size_t d = 0; d < sizes.size(); ++d) {
    out.first += chunk.offsets[d] * strides[d];
    if (d >= outer) continue;
    out.count *= sizes[d];
    out.sizes.push_back(sizes[d]);
    out.steps.push_back(strides[d]);
  }
  return out;
}

bool overlap(const Chunk& a, const Chunk& b) {
  for (size_t d = 0; d < a.offsets.size(); ++d) {
    if (a.offsets[d] + a.values.sizes[d] <= b.offsets[d] || b.offsets[d] + b.values.sizes[d] <= a.offsets[d]) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::shared_ptr<const StoredStorage> concatenated_storage(std::string name, std::vector<Segment> segments) {
  std::vector<uint64_t> ends;
  uint64_t bytes = 0;
  for (const Segment& segment : segments) {
    check(segment.offset <= segment.storage->bytes() && segment.bytes <= segment.storage->bytes() - segment.offset,
          "{}: {} bytes at {} leave a storage of {}", name, segment.bytes, segment.offset, segment.storage->bytes());
    check(!__builtin_add_overflow(bytes, segment.bytes, &bytes), "{}: too many bytes", name);
    ends.push_back(bytes);
  }
  return std::make_shared<ConcatenatedStorage>(std::move(name), bytes, std::move(segments), std::move(ends));
}

std::shared_ptr<const StoredStorage> logical_storage(const StoredTensor& tensor) {
  return computed_storage(tensor.storage->name(), tensor.nbytes(), tensor.storage,
                          [tensor](std::span<std::byte> out) { ValueReader(tensor).read(out); });
}

StoredTensor chunked_tensor(std::string name, StoredDType dtype, const Shape& sizes, std::vector<Chunk> chunks) {
  StoredTensor out{.dtype = dtype, .sizes = sizes, .strides = contiguous_strides(sizes, name)};
  uint64_t bytes = 0;
  check(!__builtin_mul_overflow(static_cast<uint64_t>(out.numel()), item_size(dtype), &bytes), "{}: sizes {} overflow",
        name, to_string(sizes));
  int64_t covered = 0;
  std::vector<Runs> runs;
  for (const Chunk& chunk : chunks) {
    const Shape& part = chunk.values.sizes;
    bool fits = part.size() == sizes.size() && chunk.offsets.size() == sizes.size() && chunk.values.dtype == dtype;
    for (size_t d = 0; fits && d < sizes.size(); ++d) {
      fits = chunk.offsets[d] >= 0 && part[d] <= sizes[d] && chunk.offsets[d] <= sizes[d] - part[d];
    }
    check(fits, "{}: a chunk {} at {} does not fit into {} {}", name, describe(chunk.values), to_string(chunk.offsets),
          bevgrad::name(dtype), to_string(sizes));
    check(!__builtin_add_overflow(covered, chunk.values.numel(), &covered), "{}: its chunks overflow", name);
    if (chunk.values.numel() > 0) runs.push_back(runs_of(chunk, sizes, out.strides));
  }
  check(covered == out.numel(), "{}: its chunks have {} values of {}", name, covered, out.numel());
  for (size_t i = 0; chunks.size() <= kComparedChunks && i < chunks.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (chunks[i].values.numel() == 0 || chunks[j].values.numel() == 0) continue;
      check(!overlap(chunks[i], chunks[j]), "{}: its chunks at {} and {} overlap", name, to_string(chunks[j].offsets),
            to_string(chunks[i].offsets));
    }
  }
  out.storage = std::make_shared<ChunkedStorage>(name, bytes, item_size(dtype), std::move(runs));
  validate(out, name);
  return out;
}

}  // namespace bevgrad
