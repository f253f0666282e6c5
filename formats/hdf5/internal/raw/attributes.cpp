#include <algorithm>
#include <unordered_set>

#include "base/error.h"
#include "base/text.h"
#include "hdf5/internal/raw/btree.h"
#include "hdf5/internal/raw/object.h"

namespace bevgrad::hdf5 {

namespace {

constexpr uint64_t kMaximumAttributeBytes = 64 << 20;

struct Parts {
  std::string name;
  uint8_t version = 0;
  uint8_t flags = 0;
  uint64_t type_bytes = 0;
  uint64_t space_bytes = 0;
};

/// The head of an attribute message, up to its type.
Parts read_head(Block& body) {
  Parts out;
  out.version = body.u8();
  check(out.version >= 1 && out.version <= 3, "{}: version {} of an attribute is not known", body.where(), out.version);
  out.flags = body.u8();
  const uint64_t name_bytes = body.u16();
  out.type_bytes = body.u16();
  out.space_bytes = body.u16();
  if (out.version == 3) body.skip(1);
  const uint64_t begin = body.position();
  out.name = body.take(name_bytes);
  if (out.version == 1) body.align(8, begin);
  if (const size_t end = out.name.find('\0'); end != std::string::npos) out.name.resize(end);
  return out;
}

Attribute read_rest(const File& file, Block& body, Parts parts) {
  Attribute out;
  const auto read_part = [&](uint64_t bytes, bool shared, MessageType type) {
    const uint64_t begin = body.position();
    Block part = body.part(bytes, fmt::format("{}: attribute '{}'", body.where(), printable(parts.name, 40)));
    if (parts.version == 1) body.align(8, begin);
    return shared ? shared_message(file, part, type) : part;
  };
  Block type = read_part(parts.type_bytes, parts.version > 1 && (parts.flags & 1) != 0, MessageType::Datatype);
  Block space = read_part(parts.space_bytes, parts.version > 1 && (parts.flags & 2) != 0, MessageType::Dataspace);
  out.type = read_datatype(type);
  out.space = read_dataspace(space);
  out.name = std::move(parts.name);
  uint64_t bytes = out.space.null ? 0 : out.type.bytes;
  bool overflow = false;
  for (const int64_t size : out.space.sizes) {
    overflow |= __builtin_mul_overflow(bytes, static_cast<uint64_t>(size), &bytes);
  }
  check(!overflow && bytes <= kMaximumAttributeBytes, "{}: attribute '{}': {} values of {} bytes", body.where(),
        printable(out.name, 40), to_string(out.space.sizes), out.type.bytes);
  out.data = body.take(bytes);
  return out;
}

/// Calls `consider` with the message of each attribute.
template <class Consider>
void for_each_attribute(const File& file, const ObjectHeader& object, Consider consider) {
  for (const Message& message : object.messages) {
    Block body = message.body;
    if (message.type == MessageType::Attribute) {
      consider(body);
    } else if (message.type == MessageType::AttributeInfo) {
      body.version(0);
      if ((body.u8() & 1) != 0) body.skip(2);
      const uint64_t heap_address = body.offset();
      const uint64_t tree = body.offset();
      if (heap_address == kUndefined) continue;
      FractalHeap heap(file, heap_address);
      walk_tree_v2(file, tree, 8, [&](Block& record) {
        Block attribute = heap.object(record);
        consider(attribute);
      });
    }
  }
}

}  // namespace

std::vector<Attribute> read_attributes(const File& file, const ObjectHeader& object) {
  std::vector<Attribute> out;
  std::unordered_set<std::string> names;
  for_each_attribute(file, object, [&](Block& body) {
    Parts parts = read_head(body);
    check(names.insert(parts.name).second, "{}: damaged: two attributes are called '{}'", object.where,
          printable(parts.name, 40));
    out.push_back(read_rest(file, body, std::move(parts)));
  });
  return out;
}

std::optional<Attribute> find_attribute(const File& file, const ObjectHeader& object, std::string_view name) {
  std::optional<Attribute> out;
  for_each_attribute(file, object, [&](Block& body) {
    Parts parts = read_head(body);
    if (parts.name != name) return;
    check(!out, "{}: damaged: two attributes are called '{}'", object.where, printable(name, 40));
    out = read_rest(file, body, std::move(parts));
  });
  return out;
}

std::string text_of(const Datatype& type, std::string_view data, GlobalHeap& heap, FieldSizes sizes,
                    const std::string& where) {
  if (type.kind == Datatype::Kind::VariableText) {
    Block reference(std::string(data), where, sizes);
    const uint64_t length = reference.u32();
    const uint64_t address = reference.offset();
    const uint32_t index = reference.u32();
    if (address == kUndefined || address == 0) return "";
    std::string text = heap.object(address, index);
    check(length <= text.size(), "{}: damaged: a text of {} bytes, {} are there", where, length, text.size());
    text.resize(std::min<size_t>(length, text.find('\0')));
    return text;
  }
  std::string text(data);
  size_t end = text.size();
  if (type.padding == Datatype::Padding::Terminated) {
    end = text.find('\0');
  } else {
    end = text.find_last_not_of(type.padding == Datatype::Padding::Space ? ' ' : '\0') + 1;
  }
  text.resize(std::min(text.size(), end));
  return text;
}

}  // namespace bevgrad::hdf5
