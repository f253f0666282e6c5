#include "hdf5/internal/raw/values.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace bevgrad::hdf5 {

namespace {

constexpr uint64_t kCacheBytes = 96 << 20;
// A chunk is unpacked as a whole; one that is not packed is no larger than the file.
constexpr uint64_t kMaximumChunk = 256 << 20;
constexpr uint64_t kMaximumPackedChunk = 1 << 30;
// Deflate makes its input at most 1032 times larger.
constexpr uint64_t kDeflateFactor = 1100;
// A chunk that is packed may be a little larger than its values, not much.
constexpr uint64_t kPackedSlack = 64 << 10;

}  // namespace

uint64_t ChunkCache::key(uint64_t owner, uint64_t number) {
  return owner * 0x9e3779b97f4a7c15u ^ number;
}

ChunkCache::Bytes ChunkCache::find(uint64_t owner, uint64_t number) {
  const std::scoped_lock lock(mutex_);
  const auto found = places_.find(key(owner, number));
  if (found == places_.end() || found->second->owner != owner || found->second->number != number) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->bytes;
}

void ChunkCache::keep(uint64_t owner, uint64_t number, Bytes bytes) {
  const std::scoped_lock lock(mutex_);
  const uint64_t place = key(owner, number);
  if (places_.contains(place)) return;
  bytes_ += bytes->size();
  entries_.push_front({owner, number, std::move(bytes)});
  places_[place] = entries_.begin();
  while (bytes_ > kCacheBytes && entries_.size() > 1) {
    const Entry& last = entries_.back();
    bytes_ -= last.bytes->size();
    places_.erase(key(last.owner, last.number));
    entries_.pop_back();
  }
}

Values::Values(const File& file, const ObjectHeader& object, const Dataspace& space, uint64_t item,
               std::shared_ptr<ChunkCache> cache)
    : file_(file),
      where_(object.where),
      sizes_(space.sizes),
      item_(item),
      bytes_(space.null ? 0 : item),
      layout_(read_layout(object, space.sizes.size())),
      cache_(std::move(cache)),
      owner_(cache_->new_owner()) {
  bool overflow = false;
  for (const int64_t size : sizes_) overflow |= __builtin_mul_overflow(bytes_, static_cast<uint64_t>(size), &bytes_);
  check(!overflow && bytes_ <= uint64_t{INT64_MAX}, "{}: sizes {} overflow", where_, to_string(sizes_));
  switch (layout_.kind) {
    case Layout::Kind::Compact:
      check(layout_.compact.size() == bytes_, "{}: damaged: {} bytes are there, {} are needed", where_,
            layout_.compact.size(), bytes_);
      break;
    case Layout::Kind::Contiguous:
      if (layout_.address == kUndefined) {
        fill_ = read_fill_value(object, item_);
        break;
      }
      check(!layout_.has_bytes || layout_.bytes == bytes_, "{}: damaged: {} needs {} bytes, the file has {}", where_,
            to_string(sizes_), bytes_, layout_.bytes);
      check(layout_.address <= file.size() && bytes_ <= file.size() - layout_.address,
            "{}: cut short: its {} bytes at byte {} leave the file", where_, bytes_, layout_.address);
      contiguous_ = layout_.address;
      break;
    case Layout::Kind::Chunked:
      prepare_chunks(object, space);
      break;
  }
}

void Values::prepare_chunks(const ObjectHeader& object, const Dataspace& space) {
  fill_ = read_fill_value(object, item_);
  filters_ = read_filters(object);
  bool overflow = false;
  grid_.item = item_;
  uint64_t bytes = item_;
  for (size_t d = 0; d < sizes_.size(); ++d) {
    const int64_t step = layout_.chunk[d];
    overflow |= __builtin_mul_overflow(bytes, static_cast<uint64_t>(step), &bytes);
    grid_.counts.push_back(sizes_[d] == 0 ? 0 : (sizes_[d] - 1) / step + 1);
  }
  check(!overflow && bytes <= std::max(kMaximumChunk, bytes_), "{}: its chunks are too large", where_);
  check(filters_.empty() || bytes <= kMaximumPackedChunk, "{}: packed chunks of {} bytes are too large", where_, bytes);
  grid_.elements = bytes / item_;
  chunks_ = read_chunks(file_, object, layout_, space, grid_, !filters_.empty());
  for (const Chunk& chunk : chunks_) {
    check(chunk.bytes <= 2 * bytes + kPackedSlack && bytes / kDeflateFactor <= chunk.bytes,
          "{}: damaged: a chunk of {} bytes takes {}", where_, bytes, chunk.bytes);
  }
}

void Values::read(uint64_t offset, std::span<std::byte> out) const {
  check(offset <= bytes_ && out.size() <= bytes_ - offset, "{}: {} bytes at {} of {} are asked for", where_, out.size(),
        offset, bytes_);
  if (layout_.kind == Layout::Kind::Compact) {
    std::memcpy(out.data(), layout_.compact.data() + offset, out.size());
  } else if (layout_.kind == Layout::Kind::Chunked) {
    read_chunked(offset, out);
  } else if (contiguous_ != kUndefined) {
    file_.read(contiguous_ + offset, out);
  } else {
    for (std::byte& byte : out) byte = static_cast<std::byte>(fill_[offset++ % item_]);
  }
}

ChunkCache::Bytes Values::chunk(uint64_t number, const std::vector<uint64_t>& place) const {
  if (auto held = cache_->find(owner_, number)) return held;
  const auto found = std::lower_bound(chunks_.begin(), chunks_.end(), number,
                                      [](const Chunk& chunk, uint64_t wanted) { return chunk.number < wanted; });
  if (found == chunks_.end() || found->number != number) return nullptr;
  std::string bytes(found->bytes, '\0');
  file_.read(found->address, std::as_writable_bytes(std::span(bytes)));
  bool filtered = !filters_.empty();
  for (size_t d = 0; filtered && layout_.edges_unfiltered && d < place.size(); ++d) {
    const auto step = static_cast<uint64_t>(layout_.chunk[d]);
    if ((place[d] + 1) * step > static_cast<uint64_t>(sizes_[d])) filtered = false;
  }
  const std::string where = fmt::format("{}: chunk {}", where_, number);
  bytes = undo_filters(filtered ? filters_ : std::vector<Filter>(), found->skipped_filters, std::move(bytes),
                       grid_.bytes(), where);
  auto held = std::make_shared<const std::string>(std::move(bytes));
  cache_->keep(owner_, number, held);
  return held;
}

void Values::read_chunked(uint64_t offset, std::span<std::byte> out) const {
  const size_t rank = sizes_.size();
  std::vector<uint64_t> index(rank);
  uint64_t rest = offset / item_;
  for (size_t d = rank; d > 0; --d) {
    index[d - 1] = rest % static_cast<uint64_t>(sizes_[d - 1]);
    rest /= static_cast<uint64_t>(sizes_[d - 1]);
  }
  uint64_t within = offset % item_;
  std::vector<uint64_t> place(rank);
  ChunkCache::Bytes held;
  uint64_t held_number = kUndefined;
  while (!out.empty()) {
    // A run along the last dimension, to the end of its chunk or row.
    uint64_t number = 0;
    uint64_t element = 0;
    uint64_t run = 0;
    for (size_t d = 0; d < rank; ++d) {
      const auto step = static_cast<uint64_t>(layout_.chunk[d]);
      place[d] = index[d] / step;
      number = number * static_cast<uint64_t>(grid_.counts[d]) + place[d];
      element = element * step + index[d] % step;
      run = std::min(step - index[d] % step, static_cast<uint64_t>(sizes_[d]) - index[d]);
    }
    if (number != held_number) {
      held = chunk(number, place);
      held_number = number;
    }
    const uint64_t count = std::min<uint64_t>(run * item_ - within, out.size());
    if (held) {
      std::memcpy(out.data(), held->data() + element * item_ + within, count);
    } else {
      for (uint64_t i = 0; i < count; ++i) out[i] = static_cast<std::byte>(fill_[(within + i) % item_]);
    }
    out = out.subspan(count);
    within = 0;
    index[rank - 1] += run;
    for (size_t d = rank; d > 1 && index[d - 1] >= static_cast<uint64_t>(sizes_[d - 1]); --d) {
      index[d - 1] = 0;
      ++index[d - 2];
    }
  }
}

}  // namespace bevgrad::hdf5
