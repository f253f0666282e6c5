#include "hdf5/internal/raw/datatype.h"

#include <bit>
#include <limits>

#include "base/error.h"

namespace bevgrad::hdf5 {

namespace {

constexpr int kMaximumDatatypeNesting = 8;
constexpr uint64_t kMaximumDatatypeRank = 32;

Datatype read_nested(Block& block, int depth);

std::optional<StoredDType> integer_of(uint64_t bytes, bool is_signed) {
  switch (bytes) {
    case 1:
      return is_signed ? StoredDType::Int8 : StoredDType::UInt8;
    case 2:
      return is_signed ? StoredDType::Int16 : StoredDType::UInt16;
    case 4:
      return is_signed ? StoredDType::Int32 : StoredDType::UInt32;
    case 8:
      return is_signed ? StoredDType::Int64 : StoredDType::UInt64;
    default:
      return std::nullopt;
  }
}

void become_number(Datatype& type, std::optional<StoredDType> dtype) {
  if (!dtype) return;
  type.kind = Datatype::Kind::Number;
  type.dtype = *dtype;
}

void read_integer(Block& block, uint32_t bits, Datatype& type) {
  type.name = "an integer of an unusual width";
  type.big_endian = (bits & 1) != 0;
  const uint16_t first_bit = block.u16();
  const uint16_t precision = block.u16();
  if (first_bit == 0 && precision == 8 * type.bytes) become_number(type, integer_of(type.bytes, (bits & 8) != 0));
}

void read_float(Block& block, uint32_t bits, Datatype& type) {
  struct Layout {
    StoredDType dtype;
    uint64_t bytes, exponent_at, exponent_bits, mantissa_bits;
    uint32_t bias;
  };
  static constexpr Layout kKnown[] = {{StoredDType::Float64, 8, 52, 11, 52, 1023},
                                      {StoredDType::Float32, 4, 23, 8, 23, 127},
                                      {StoredDType::Float16, 2, 10, 5, 10, 15},
                                      {StoredDType::BFloat16, 2, 7, 8, 7, 127}};
  type.name = "a floating-point number of an unusual layout";
  type.big_endian = (bits & 1) != 0;
  const bool vax = (bits & 0x40) != 0;
  const bool implied = (bits & 0x30) == 0x20;
  const uint64_t sign = (bits >> 8) & 0xff;
  const uint16_t first_bit = block.u16();
  const uint16_t precision = block.u16();
  const uint8_t exponent_at = block.u8();
  const uint8_t exponent_bits = block.u8();
  const uint8_t mantissa_at = block.u8();
  const uint8_t mantissa_bits = block.u8();
  const uint32_t bias = block.u32();
  if (vax || !implied || first_bit != 0 || mantissa_at != 0 || precision != 8 * type.bytes) return;
  for (const Layout& known : kKnown) {
    if (known.bytes == type.bytes && known.exponent_at == exponent_at && known.exponent_bits == exponent_bits &&
        known.mantissa_bits == mantissa_bits && known.bias == bias && sign == 8 * known.bytes - 1) {
      become_number(type, known.dtype);
    }
  }
}

void become_complex(const Datatype& part, Datatype& type) {
  type.big_endian = part.big_endian;
  switch (part.dtype) {
    case StoredDType::Float16:
      return become_number(type, StoredDType::Complex32);
    case StoredDType::Float32:
      return become_number(type, StoredDType::Complex64);
    case StoredDType::Float64:
      return become_number(type, StoredDType::Complex128);
    default:
      return;
  }
}

void read_compound(Block& block, uint8_t version, uint32_t bits, Datatype& type, int depth) {
  type.name = "a compound of fields";
  const uint64_t count = bits & 0xffff;
  bool is_complex = count == 2;
  Datatype first;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t begin = block.position();
    const std::string name = block.text();
    if (version < 3) block.align(8, begin);
    const size_t width = static_cast<size_t>(std::bit_width(type.bytes) + 7) / 8;
    const uint64_t at = block.number(version < 3 ? 4 : width);
    bool array = false;
    if (version == 1) {
      array = block.u8() != 0;
      block.skip(3 + 4 + 4 + 4 * 4);
    }
    const Datatype member = read_nested(block, depth + 1);
    is_complex &= !array && member.kind == Datatype::Kind::Number && is_floating_point(member.dtype) &&
                  member.dtype != StoredDType::BFloat16 && at == i * member.bytes && 2 * member.bytes == type.bytes;
    if (i == 0) first = member;
    is_complex &= member.dtype == first.dtype && member.big_endian == first.big_endian;
  }
  if (is_complex) become_complex(first, type);
}

void read_enum(Block& block, uint8_t version, uint32_t bits, Datatype& type, int depth) {
  type.name = "an enumeration";
  const uint64_t count = bits & 0xffff;
  const Datatype base = read_nested(block, depth + 1);
  std::vector<std::string> names;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t begin = block.position();
    names.push_back(block.text());
    if (version < 3) block.align(8, begin);
  }
  const std::string values = block.take(count * base.bytes);
  // The numbers that the names stand for.
  if (base.kind == Datatype::Kind::Number && base.bytes == type.bytes) {
    become_number(type, base.dtype);
    type.big_endian = base.big_endian;
  }
  if (base.bytes != 1 || type.bytes != 1 || count != 2) return;
  const size_t no = names[0] == "FALSE" ? 0 : 1;
  if (names[no] == "FALSE" && names[1 - no] == "TRUE" && values[no] == 0 && values[1 - no] == 1) {
    become_number(type, StoredDType::Bool);
  }
}

Datatype read_nested(Block& block, int depth) {
  check(depth < kMaximumDatatypeNesting, "{}: a type that is nested more than {} deep", block.where(),
        kMaximumDatatypeNesting);
  const uint8_t head = block.u8();
  const auto version = static_cast<uint8_t>(head >> 4);
  check(version >= 1 && version <= 5, "{}: version {} of a datatype is not known", block.where(), version);
  const auto bits = static_cast<uint32_t>(block.number(3));
  Datatype type;
  type.bytes = block.u32();
  switch (head & 0xf) {
    case 0:
      read_integer(block, bits, type);
      break;
    case 1:
      read_float(block, bits, type);
      break;
    case 2:
      type.name = "a time";
      block.skip(2);
      break;
    case 3:
      type.name = "a text";
      type.kind = Datatype::Kind::FixedText;
      type.padding = (bits & 0xf) == 0   ? Datatype::Padding::Terminated
                     : (bits & 0xf) == 1 ? Datatype::Padding::Null
                                         : Datatype::Padding::Space;
      break;
    case 4:
      type.name = "a bit field";
      block.skip(4);
      break;
    case 5:
      type.name = "opaque bytes";
      block.skip(bits & 0xff);
      break;
    case 6:
      read_compound(block, version, bits, type, depth);
      break;
    case 7:
      type.name = "a reference to another object";
      break;
    case 8:
      read_enum(block, version, bits, type, depth);
      break;
    case 9:
      type.name = "lists of variable length";
      read_nested(block, depth + 1);
      if ((bits & 0xf) == 1) {
        type.name = "a text of variable length";
        type.kind = Datatype::Kind::VariableText;
      }
      break;
    case 10: {
      type.name = "an array";
      const uint64_t rank = block.u8();
      if (version < 3) block.skip(3);
      block.skip(4 * rank * (version < 3 ? 2 : 1));
      read_nested(block, depth + 1);
      break;
    }
    case 11: {
      // Complex numbers as HDF5 2.0 has them.
      type.name = "complex numbers of an unusual kind";
      const Datatype part = read_nested(block, depth + 1);
      if (part.kind == Datatype::Kind::Number && 2 * part.bytes == type.bytes) become_complex(part, type);
      break;
    }
    default:
      fail("{}: datatype class {} is not known", block.where(), head & 0xf);
  }
  check(type.bytes > 0, "{}: damaged: elements of 0 bytes", block.where());
  return type;
}

}  // namespace

Datatype read_datatype(Block& block) {
  return read_nested(block, 0);
}

Dataspace read_dataspace(Block& block) {
  Dataspace out;
  const uint8_t version = block.u8();
  check(version == 1 || version == 2, "{}: version {} of a dataspace is not known", block.where(), version);
  const uint64_t rank = block.u8();
  const uint8_t flags = block.u8();
  check(rank <= kMaximumDatatypeRank, "{}: {} dimensions", block.where(), rank);
  if (version == 1) {
    block.skip(5);
  } else {
    out.null = block.u8() == 2;
  }
  const auto size = [&](bool maximum) {
    const uint64_t value = block.length();
    const size_t width = block.sizes().length;
    if (maximum && value == (width == 8 ? kUndefined : (uint64_t{1} << (8 * width)) - 1)) return int64_t{-1};
    check(value <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()), "{}: a size of {}", block.where(),
          value);
    return static_cast<int64_t>(value);
  };
  for (uint64_t i = 0; i < rank; ++i) out.sizes.push_back(size(false));
  out.maximum = out.sizes;
  if ((flags & 1) != 0) {
    for (uint64_t i = 0; i < rank; ++i) out.maximum[i] = size(true);
  }
  return out;
}

}  // namespace bevgrad::hdf5
