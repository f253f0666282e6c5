#include "hdf5/internal/raw/appended.h"

#include <algorithm>
#include <bit>

#include "base/error.h"
#include "base/text.h"

namespace bevgrad::hdf5 {

namespace {

constexpr uint64_t kAlignment = 8;

// Of heaps.
constexpr uint64_t kFirstBlock = 512;
constexpr uint64_t kLargestBlock = 64 << 10;
constexpr size_t kHeapOffsetBytes = 4;
constexpr size_t kHeapLengthBytes = 2;
constexpr uint64_t kMaximumWidth = 1024;
constexpr uint64_t kDirectRows = 2;  // of blocks of the largest size

// Of trees.
constexpr uint64_t kNodeOverhead = 6 + 4;

// Of groups.
constexpr size_t kMaximumCompact = 8;
constexpr uint8_t kOrderTracked = 1;
constexpr uint8_t kOrderIndexed = 2;

size_t bytes_for(uint64_t limit) {
  return limit == 0 ? 1 : (static_cast<size_t>(std::bit_width(limit)) - 1) / 8 + 1;
}

}  // namespace

StructureBytes& StructureBytes::number(uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) bytes_.push_back(static_cast<char>(i < 8 ? value >> (8 * i) : 0));
  return *this;
}

StructureBytes& StructureBytes::text(std::string_view text) {
  bytes_ += text;
  return *this;
}

StructureBytes& StructureBytes::fill(uint64_t bytes) {
  bytes_.resize(bytes, '\0');
  return *this;
}

StructureBytes& StructureBytes::checksum() {
  return number(lookup3(bytes_), 4);
}

uint64_t Appended::reserve(uint64_t bytes) {
  bytes_.resize(bytes_.size() + (kAlignment - end() % kAlignment) % kAlignment, '\0');
  const uint64_t address = end();
  bytes_.resize(bytes_.size() + bytes, '\0');
  return address;
}

void Appended::put(uint64_t address, std::string_view bytes) {
  bytes_.replace(address - begin_, bytes.size(), bytes);
}

uint64_t Appended::add(const StructureBytes& structure) {
  const uint64_t address = reserve(structure.size());
  put(address, structure.bytes());
  return address;
}

WrittenHeap write_heap(Appended& to, const std::vector<std::string>& objects) {
  const FieldSizes sizes = to.sizes();
  const uint64_t head_bytes = 26 + 3 * uint64_t{sizes.offset} + 12 * uint64_t{sizes.length};
  const uint64_t prefix = 5 + uint64_t{sizes.offset} + kHeapOffsetBytes + 4;
  uint64_t used = 0;
  for (const std::string& object : objects) used += object.size();
  const uint64_t block_bytes = std::clamp(std::bit_ceil(prefix + used), kFirstBlock, kLargestBlock);

  WrittenHeap out;
  out.address = to.reserve(head_bytes);
  // Objects in order, none across two blocks.
  std::vector<std::string> blocks(1);
  for (const std::string& object : objects) {
    check(object.size() <= kMaximumHeapObject, "a name of {} bytes is too long to be changed in place", object.size());
    if (prefix + blocks.back().size() + object.size() > block_bytes) blocks.emplace_back();
    const uint64_t offset = (blocks.size() - 1) * block_bytes + prefix + blocks.back().size();
    StructureBytes id(sizes);
    out.ids.push_back(id.number(0, 1).number(offset, kHeapOffsetBytes).number(object.size(), kHeapLengthBytes).bytes());
    blocks.back() += object;
  }
  // One place stays empty: the library looks for the next block in the place behind the last one.
  const bool one = blocks.size() == 1;
  const uint64_t wanted = blocks.size() + 1;
  const uint64_t width = std::max<uint64_t>(4, std::bit_ceil((wanted + kDirectRows - 1) / kDirectRows));
  check(width <= kMaximumWidth, "{} members are too many to be changed in place", objects.size());
  const uint64_t rows = one ? 0 : (wanted + width - 1) / width;
  const uint64_t places = one ? 1 : rows * width;

  std::vector<uint64_t> addresses(places, kUndefined);
  for (size_t i = 0; i < blocks.size(); ++i) {
    StructureBytes block(sizes);
    block.text("FHDB").number(0, 1).offset(out.address).number(i * block_bytes, kHeapOffsetBytes);
    const uint64_t checksum_at = block.size();
    block.number(0, 4).text(blocks[i]).fill(block_bytes);
    // Computed with its own bytes as zeros.
    StructureBytes checksum(sizes);
    checksum.number(lookup3(block.bytes()), 4);
    addresses[i] = to.add(block);
    to.put(addresses[i] + checksum_at, checksum.bytes());
  }
  uint64_t root = addresses[0];
  if (!one) {
    StructureBytes index(sizes);
    index.text("FHIB").number(0, 1).offset(out.address).number(0, kHeapOffsetBytes);
    for (const uint64_t address : addresses) index.offset(address);
    root = to.add(index.checksum());
  }

  StructureBytes head(sizes);
  head.text("FRHP").number(0, 1).number(1 + kHeapOffsetBytes + kHeapLengthBytes, 2).number(0, 2);
  head.number(2, 1).number(kMaximumHeapObject, 4);  // blocks have checksums
  head.length(0).offset(kUndefined);                // objects past that: none
  head.length(places * (block_bytes - prefix) - used).offset(kUndefined);
  head.length(places * block_bytes).length(blocks.size() * block_bytes).length(blocks.size() * block_bytes);
  head.length(objects.size()).length(0).length(0).length(0).length(0);
  head.number(width, 2).length(block_bytes).length(kLargestBlock).number(8 * kHeapOffsetBytes, 2).number(1, 2);
  head.offset(root).number(rows, 2).checksum();
  to.put(out.address, head.bytes());
  return out;
}

uint64_t write_tree_v2(Appended& to, uint8_t type, const std::vector<std::string>& records) {
  const FieldSizes sizes = to.sizes();
  const uint64_t record_bytes = records.at(0).size();
  uint64_t node_bytes = 512;
  const auto most = [&] { return (node_bytes - kNodeOverhead) / record_bytes; };
  while (records.size() > most() && node_bytes < kLargestBlock) node_bytes *= 2;

  const auto leaf = [&](size_t begin, size_t end) {
    StructureBytes node(sizes);
    node.text("BTLF").number(0, 1).number(type, 1);
    for (size_t i = begin; i < end; ++i) node.text(records[i]);
    return to.add(node.checksum().fill(node_bytes));
  };
  uint64_t root = kUndefined;
  uint64_t root_records = records.size();
  const bool one = records.size() <= most();
  if (one) {
    root = leaf(0, records.size());
  } else {
    // Leaves of nearly one size, and between two of them a record of the root.
    const uint64_t leaves = (records.size() + 1 + most()) / (most() + 1);
    const uint64_t pointer = sizes.offset + bytes_for(most());
    root_records = leaves - 1;
    check(kNodeOverhead + root_records * (record_bytes + pointer) + pointer <= node_bytes,
          "{} members are too many to be changed in place", records.size());
    const uint64_t in_leaves = records.size() - root_records;
    StructureBytes separators(sizes);
    StructureBytes pointers(sizes);
    size_t at = 0;
    for (uint64_t i = 0; i < leaves; ++i) {
      const uint64_t count = in_leaves / leaves + (i < in_leaves % leaves ? 1 : 0);
      pointers.offset(leaf(at, at + count)).number(count, bytes_for(most()));
      at += count;
      if (i + 1 < leaves) separators.text(records[at++]);
    }
    StructureBytes node(sizes);
    node.text("BTIN").number(0, 1).number(type, 1).text(separators.bytes()).text(pointers.bytes());
    root = to.add(node.checksum().fill(node_bytes));
  }
  StructureBytes head(sizes);
  head.text("BTHD").number(0, 1).number(type, 1).number(node_bytes, 4).number(record_bytes, 2).number(one ? 0 : 1, 2);
  head.number(100, 1).number(40, 1);  // when nodes are to be split and merged, in percent
  head.offset(root).number(root_records, 2).length(records.size());
  return to.add(head.checksum());
}

namespace {

/// What a group says of its links' order of creation.
struct LinkOrder {
  uint8_t flags = 0;
  uint64_t next = 0;
};

LinkOrder link_order(const ObjectHeader& group) {
  LinkOrder out;
  const Message* info = group.find(MessageType::LinkInfo);
  if (info == nullptr) return out;
  Block body = info->body;
  body.version(0);
  out.flags = body.u8() & (kOrderTracked | kOrderIndexed);
  if ((out.flags & kOrderTracked) != 0) out.next = body.u64();
  return out;
}

std::string link_message(const Link& link, bool ordered, FieldSizes sizes) {
  constexpr uint8_t kHasOrder = 4;
  constexpr uint8_t kHasCharacterSet = 16;
  constexpr uint8_t kUtf8 = 1;
  const uint8_t width = link.name.size() < 256 ? 0 : 1;
  check(link.name.size() <= kMaximumHeapObject - 32, "a name of {} bytes is too long to be changed in place",
        link.name.size());
  StructureBytes out(sizes);
  out.number(1, 1).number(width | (ordered ? kHasOrder : 0) | kHasCharacterSet, 1);
  if (ordered) out.number(link.order, 8);
  out.number(kUtf8, 1).number(link.name.size(), size_t{1} << width).text(link.name).offset(link.address);
  return out.bytes();
}

/// The indexes of links that lie in a heap: by the hash of their names, by the order of their creation.
uint64_t write_index(Appended& to, const std::vector<Link>& links, const WrittenHeap& heap, bool by_name) {
  constexpr uint8_t kByName = 5;
  constexpr uint8_t kByOrder = 6;
  std::vector<std::pair<uint64_t, size_t>> keys;
  for (size_t i = 0; i < links.size(); ++i) keys.emplace_back(by_name ? lookup3(links[i].name) : links[i].order, i);
  std::sort(keys.begin(), keys.end(), [&](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : links[a.second].name < links[b.second].name;
  });
  std::vector<std::string> records;
  for (const auto& [key, i] : keys) {
    StructureBytes record(to.sizes());
    records.push_back(record.number(key, by_name ? 4 : 8).text(heap.ids[i]).bytes());
  }
  return write_tree_v2(to, by_name ? kByName : kByOrder, records);
}

}  // namespace

uint64_t write_group(Appended& to, const ObjectHeader& old, const std::vector<Link>& links) {
  const FieldSizes sizes = to.sizes();
  const LinkOrder order = link_order(old);
  const bool ordered = (order.flags & kOrderTracked) != 0;
  std::vector<std::string> messages;
  for (const Link& link : links) {
    check(link.kind == Link::Kind::Hard, "{}: '{}' is no plain link", old.where, printable(link.name));
    messages.push_back(link_message(link, ordered, sizes));
  }
  WrittenHeap heap;
  uint64_t names = kUndefined;
  uint64_t orders = kUndefined;
  if (links.size() > kMaximumCompact) {
    heap = write_heap(to, messages);
    messages.clear();
    names = write_index(to, links, heap, true);
    if ((order.flags & kOrderIndexed) != 0) orders = write_index(to, links, heap, false);
  }

  StructureBytes body(sizes);
  const auto message = [&](MessageType type, std::string_view bytes, uint16_t place) {
    check(bytes.size() <= UINT16_MAX && static_cast<uint16_t>(type) <= UINT8_MAX, "{}: a message of {} bytes",
          old.where, bytes.size());
    body.number(static_cast<uint16_t>(type), 1).number(bytes.size(), 2).number(0, 1);
    if (old.attribute_order != 0) body.number(place, 2);
    body.text(bytes);
  };
  StructureBytes info(sizes);
  info.number(0, 1).number(order.flags, 1);
  if (ordered) info.number(order.next, 8);
  info.offset(heap.address).offset(names);
  if ((order.flags & kOrderIndexed) != 0) info.offset(orders);
  message(MessageType::LinkInfo, info.bytes(), 0);
  bool attributes = false;
  for (const Message& kept : old.messages) {
    const bool replaced = kept.type == MessageType::LinkInfo || kept.type == MessageType::Link ||
                          kept.type == MessageType::SymbolTable || kept.type == MessageType::Nothing ||
                          kept.type == MessageType::References;
    if (replaced) continue;
    attributes |= kept.type == MessageType::Attribute;
    Block bytes = kept.body;
    message(kept.type, bytes.take(bytes.remaining()), kept.order);
  }
  if (old.find(MessageType::GroupInfo) == nullptr) message(MessageType::GroupInfo, std::string_view("\0\0", 2), 0);
  if (attributes && old.find(MessageType::AttributeInfo) == nullptr) {
    StructureBytes none(sizes);
    none.number(0, 2).offset(kUndefined).offset(kUndefined);
    message(MessageType::AttributeInfo, none.bytes(), 0);
  }
  for (const std::string& link : messages) message(MessageType::Link, link, 0);

  constexpr uint8_t kFourByteSize = 2;
  StructureBytes header(sizes);
  header.text("OHDR").number(2, 1).number(kFourByteSize | old.attribute_order, 1).number(body.size(), 4);
  return to.add(header.text(body.bytes()).checksum());
}

}  // namespace bevgrad::hdf5
