#include "hdf5/internal/raw/layout.h"

#include "base/error.h"

namespace bevgrad::hdf5 {

namespace {

constexpr size_t kMaximumFilters = 8;
constexpr uint32_t kNoFillValue = ~uint32_t{0};

/// Versions 1 and 2, of HDF5 before 1.6.3.
Layout read_old(Block& body) {
  Layout out;
  const size_t rank = body.u8();
  const uint8_t kind = body.u8();
  body.skip(5);
  check(kind <= 2, "{}: layout {} is not known", body.where(), kind);
  out.kind = static_cast<Layout::Kind>(kind);
  if (out.kind != Layout::Kind::Compact) out.address = body.offset();
  for (size_t i = 0; i < rank; ++i) out.chunk.push_back(body.u32());
  if (out.kind == Layout::Kind::Compact) out.compact = body.take(body.u32());
  return out;
}

void read_index(Block& body, Layout& out) {
  const uint8_t kind = body.u8();
  check(kind >= 1 && kind <= 5, "{}: chunk index {} is not known", body.where(), kind);
  out.index = static_cast<ChunkIndex>(kind);
  switch (out.index) {
    case ChunkIndex::Single:
      if (out.single_filtered) {
        out.single_bytes = body.length();
        out.single_mask = body.u32();
      }
      break;
    case ChunkIndex::FixedArray:
      body.skip(1);
      break;
    case ChunkIndex::ExtensibleArray:
      body.skip(5);
      break;
    case ChunkIndex::TreeV2:
      body.skip(6);
      break;
    default:
      break;
  }
}

Layout read_new(Block& body, uint8_t version) {
  Layout out;
  const uint8_t kind = body.u8();
  check(kind != 3, "{}: a virtual dataset, made of other files, which is never followed", body.where());
  check(kind <= 2, "{}: layout {} is not known", body.where(), kind);
  out.kind = static_cast<Layout::Kind>(kind);
  switch (out.kind) {
    case Layout::Kind::Compact:
      out.compact = body.take(body.u16());
      return out;
    case Layout::Kind::Contiguous:
      out.address = body.offset();
      out.bytes = body.length();
      out.has_bytes = true;
      return out;
    case Layout::Kind::Chunked:
      break;
  }
  if (version == 3) {
    const size_t rank = body.u8();
    out.address = body.offset();
    for (size_t i = 0; i < rank; ++i) out.chunk.push_back(body.u32());
    return out;
  }
  const uint8_t flags = body.u8();
  out.edges_unfiltered = (flags & 1) != 0;
  out.single_filtered = (flags & 2) != 0;
  const size_t rank = body.u8();
  const size_t width = body.u8();
  check(width >= 1 && width <= 8, "{}: damaged: chunk sizes of {} bytes", body.where(), width);
  for (size_t i = 0; i < rank; ++i) {
    const uint64_t size = body.number(width);
    check(size <= uint64_t{INT64_MAX}, "{}: damaged: chunks of {} elements", body.where(), size);
    out.chunk.push_back(static_cast<int64_t>(size));
  }
  read_index(body, out);
  out.address = body.offset();
  return out;
}

}  // namespace

Layout read_layout(const ObjectHeader& object, size_t rank) {
  check(object.find(MessageType::ExternalFiles) == nullptr, "{}: its values lie in another file, which is never read",
        object.where);
  const Message* message = object.find(MessageType::Layout);
  check(message != nullptr, "{}: a dataset without a layout", object.where);
  Block body = message->body;
  const uint8_t version = body.u8();
  check(version >= 1 && version <= 5, "{}: version {} of a layout is not known", object.where, version);
  Layout out = version < 3 ? read_old(body) : read_new(body, version);
  if (out.kind != Layout::Kind::Chunked) {
    out.chunk.clear();
    return out;
  }
  // One more: the size of an element.
  check(out.chunk.size() == rank + 1 && rank > 0, "{}: damaged: chunks of {} dimensions for {}", object.where,
        out.chunk.size(), rank);
  out.chunk.pop_back();
  for (const int64_t size : out.chunk) check(size > 0, "{}: damaged: chunks of 0 elements", object.where);
  return out;
}

std::vector<Filter> read_filters(const ObjectHeader& object) {
  const Message* message = object.find(MessageType::Filters);
  if (message == nullptr) return {};
  Block body = message->body;
  const uint8_t version = body.u8();
  check(version == 1 || version == 2, "{}: version {} of a list of filters is not known", object.where, version);
  const size_t count = body.u8();
  check(count <= kMaximumFilters, "{}: {} filters", object.where, count);
  if (version == 1) body.skip(6);
  std::vector<Filter> out;
  for (size_t i = 0; i < count; ++i) {
    Filter filter;
    filter.id = body.u16();
    uint64_t name_bytes = version == 1 || filter.id >= 256 ? body.u16() : 0;
    body.skip(2);
    const uint64_t parameters = body.u16();
    if (version == 1) name_bytes = (name_bytes + 7) / 8 * 8;
    body.skip(name_bytes);
    for (uint64_t p = 0; p < parameters; ++p) {
      const uint32_t value = body.u32();
      if (p == 0) filter.parameter = value;
    }
    if (version == 1 && parameters % 2 == 1) body.skip(4);
    check(filter.id == Filter::kDeflate || filter.id == Filter::kShuffle || filter.id == Filter::kFletcher32 ||
              filter.id == Filter::kLzf,
          "{}: filter {} is not known (deflate, shuffle, fletcher32 and lzf are)", object.where, filter.id);
    out.push_back(filter);
  }
  return out;
}

std::string read_fill_value(const ObjectHeader& object, uint64_t bytes) {
  std::string value;
  if (const Message* message = object.find(MessageType::FillValue)) {
    Block body = message->body;
    const uint8_t version = body.u8();
    check(version >= 1 && version <= 3, "{}: version {} of a fill value is not known", object.where, version);
    bool there = true;
    if (version == 3) {
      there = (body.u8() & 0x20) != 0;
    } else {
      body.skip(2);
      const bool defined = body.u8() != 0;
      there = version == 1 || defined;
    }
    const uint32_t size = there ? body.u32() : 0;
    if (size != kNoFillValue) value = body.take(size);
  } else if (const Message* old = object.find(MessageType::OldFillValue)) {
    Block body = old->body;
    value = body.take(body.u32());
  }
  if (value.empty()) value.assign(bytes, '\0');
  check(value.size() == bytes, "{}: damaged: a fill value of {} bytes for elements of {}", object.where, value.size(),
        bytes);
  return value;
}

}  // namespace bevgrad::hdf5
