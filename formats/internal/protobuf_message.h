// Messages of Protocol Buffers, field by field and without a schema: what a few formats' descriptions need.
#pragma once
#include <memory>
#include <optional>

#include "base/error.h"
#include "formats/bytes.h"

namespace bevgrad {

/// One field of a message: a number, or a run of bytes of the file.
struct ProtobufField {
  uint64_t number = 0;
  bool is_bytes = false;
  uint64_t value = 0;
  uint64_t begin = 0;
  uint64_t end = 0;
};

/// The fields of a message that lies at [begin, end) of a file.
class ProtobufMessage {
 public:
  ProtobufMessage(std::shared_ptr<const ByteSource> source, uint64_t begin, uint64_t end)
      : cursor_(std::move(source), begin, end) {}

  std::optional<ProtobufField> next() {
    if (cursor_.remaining() == 0) return std::nullopt;
    const uint64_t key = varint();
    ProtobufField out{.number = key >> 3};
    switch (key & 7) {
      case 0:
        out.value = varint();
        return out;
      case 1:
        out.value = cursor_.u64();
        return out;
      case 5:
        out.value = cursor_.u32();
        return out;
      case 2: {
        const uint64_t length = varint();
        check(length <= cursor_.remaining(), "{}: byte {}: a field of {} bytes leaves its message",
              cursor_.source().name(), cursor_.position(), length);
        out.is_bytes = true;
        out.begin = cursor_.position();
        out.end = out.begin + length;
        cursor_.skip(length);
        return out;
      }
      default:
        fail("{}: byte {}: no field of a message", cursor_.source().name(), cursor_.position());
    }
  }
  bool at_end() const { return cursor_.remaining() == 0; }

  uint64_t varint() {
    uint64_t out = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const uint8_t byte = cursor_.u8();
      out |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return out;
    }
    fail("{}: byte {}: a number of more than 64 bits", cursor_.source().name(), cursor_.position());
  }

 private:
  ByteCursor cursor_;
};

}  // namespace bevgrad
