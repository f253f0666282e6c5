#include "internal/arrow/flat_table.h"

#include "base/error.h"

namespace bevgrad {

FlatTable FlatTable::root(std::span<const uint8_t> bytes, const std::string& name) {
  check(bytes.size() >= 8, "{}: damaged: a FlatBuffer of {} bytes", name, bytes.size());
  uint32_t at = 0;
  std::memcpy(&at, bytes.data(), sizeof at);
  return FlatTable(bytes, at, name);
}

FlatTable::FlatTable(std::span<const uint8_t> bytes, uint64_t at, const std::string& name)
    : bytes_(bytes), at_(at), name_(&name) {
  // A table begins with the signed distance back to its table of offsets, which begins with its length in bytes.
  const int64_t fields = static_cast<int64_t>(at) - read<int32_t>(at);
  check(fields >= 0, "{}: damaged: a table's offsets lie before the buffer", name);
  fields_ = static_cast<uint64_t>(fields);
  fields_end_ = fields_ + read<uint16_t>(fields_);
  need(fields_, fields_end_ - fields_);
}

void FlatTable::need(uint64_t at, uint64_t length) const {
  check(at <= bytes_.size() && length <= bytes_.size() - at, "{}: damaged: an offset leads out of its {} bytes", *name_,
        bytes_.size());
}

uint64_t FlatTable::field(int number) const {
  const uint64_t slot = fields_ + 4 + 2 * static_cast<uint64_t>(number);
  if (slot + 2 > fields_end_) return 0;
  const auto offset = read<uint16_t>(slot);
  return offset == 0 ? 0 : at_ + offset;
}

uint64_t FlatTable::follow(int number) const {
  const uint64_t at = field(number);
  check(at != 0, "{}: damaged: field {} of a table is missing", *name_, number);
  return at + read<uint32_t>(at);
}

FlatTable FlatTable::table(int number) const {
  return FlatTable(bytes_, follow(number), *name_);
}

FlatVector FlatTable::vector(int number) const {
  return FlatVector(*this, follow(number));
}

std::string FlatTable::text(int number) const {
  const uint64_t at = follow(number);
  const auto length = read<uint32_t>(at);
  need(at + 4, length);
  return std::string(reinterpret_cast<const char*>(bytes_.data()) + at + 4, length);
}

uint64_t FlatVector::element(uint32_t index, uint32_t stride) const {
  check(index < size_, "{}: damaged: element {} of a vector of {}", *owner_.name_, index, size_);
  const uint64_t at = at_ + uint64_t{index} * stride;
  owner_.need(at, stride);
  return at;
}

FlatTable FlatVector::table(uint32_t index) const {
  const uint64_t at = element(index, 4);
  return FlatTable(owner_.bytes_, at + owner_.read<uint32_t>(at), *owner_.name_);
}

}  // namespace bevgrad
