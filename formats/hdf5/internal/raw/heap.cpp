#include "hdf5/internal/raw/heap.h"

#include <algorithm>

#include "base/error.h"

namespace bevgrad::hdf5 {

LocalHeap::LocalHeap(const File& file, uint64_t address) {
  Block head =
      file.block(address, 8 + 2 * uint64_t{file.sizes().length} + uint64_t{file.sizes().offset}, "names of a group");
  where_ = head.where();
  head.signature("HEAP");
  head.version(0);
  head.skip(3);
  const uint64_t bytes = head.length();
  head.length();
  data_ = file.block(head.offset(), bytes, "names of a group").take(bytes);
}

std::string LocalHeap::text(uint64_t offset) const {
  const size_t end = offset < data_.size() ? data_.find('\0', offset) : std::string::npos;
  check(end != std::string::npos, "{}: damaged: a name at byte {} of {}", where_, offset, data_.size());
  return data_.substr(offset, end - offset);
}

std::string GlobalHeap::object(uint64_t address, uint32_t index) {
  constexpr const char* kWhat = "collection of texts";
  auto known = collections_.find(address);
  if (known == collections_.end()) {
    Block head = file_.block(address, 8 + uint64_t{file_.sizes().length}, kWhat);
    head.signature("GCOL");
    head.version(1);
    head.skip(3);
    const uint64_t bytes = head.length();
    Block block = file_.block(address, bytes, kWhat);
    block.skip(head.size());
    block.align(8);
    std::unordered_map<uint32_t, Place> objects;
    const uint64_t object_head = 8 + uint64_t{file_.sizes().length};
    while (block.remaining() >= object_head) {
      const uint16_t number = block.u16();
      block.skip(6);
      const uint64_t size = block.length();
      if (number == 0) break;  // the rest is free
      block.align(8);
      check(size <= block.remaining(), "{}: damaged: a text of {} bytes, {} are left", block.where(), size,
            block.remaining());
      objects[number] = {address + block.position(), size};
      block.skip(size);
      block.skip(std::min<uint64_t>(block.remaining(), (8 - size % 8) % 8));
      // Collections that lie in one another are no honest ones.
      check(++objects_ <= file_.size() / 8, "{}: damaged: more texts than the file has room for", block.where());
    }
    known = collections_.emplace(address, std::move(objects)).first;
  }
  const auto found = known->second.find(index);
  check(found != known->second.end(), "{}: damaged: no text number {} at byte {}", file_.source().name(), index,
        address);
  return file_.block(found->second.address, found->second.bytes, kWhat).take(found->second.bytes);
}

}  // namespace bevgrad::hdf5
