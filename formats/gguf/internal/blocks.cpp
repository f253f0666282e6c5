#include "gguf/internal/blocks.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "tensor/dtype.h"

namespace bevgrad {

namespace {

constexpr size_t kPieceBlocks = 4096;

float half_at(const uint8_t* at) {
  Float16 value;
  std::memcpy(&value, at, sizeof value);
  return static_cast<float>(value);
}

uint32_t word_at(const uint8_t* at) {
  uint32_t value = 0;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// 32 values: value = scale * code (+ minimum). The low halves of the bytes are the first 16 codes, the high halves the
// others; a fifth bit lies in a word of its own.

void decode_q4_0(const uint8_t* block, float* out) {
  const float scale = half_at(block);
  for (int i = 0; i < 16; ++i) {
    const int codes = block[2 + i];
    out[i] = scale * static_cast<float>((codes & 15) - 8);
    out[i + 16] = scale * static_cast<float>((codes >> 4) - 8);
  }
}

void decode_q4_1(const uint8_t* block, float* out) {
  const float scale = half_at(block);
  const float minimum = half_at(block + 2);
  for (int i = 0; i < 16; ++i) {
    const int codes = block[4 + i];
    out[i] = scale * static_cast<float>(codes & 15) + minimum;
    out[i + 16] = scale * static_cast<float>(codes >> 4) + minimum;
  }
}

/// Code `i` of 32 with its fifth bit.
int five_bits(const uint8_t* codes, uint32_t high, int i) {
  const int low = i < 16 ? codes[i] & 15 : codes[i - 16] >> 4;
  return low | static_cast<int>((high >> i) & 1) << 4;
}

void decode_q5_0(const uint8_t* block, float* out) {
  const float scale = half_at(block);
  const uint32_t high = word_at(block + 2);
  for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(five_bits(block + 6, high, i) - 16);
}

void decode_q5_1(const uint8_t* block, float* out) {
  const float scale = half_at(block);
  const float minimum = half_at(block + 2);
  const uint32_t high = word_at(block + 4);
  for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(five_bits(block + 8, high, i)) + minimum;
}

template <int kCodes>
void decode_q8(const uint8_t* block, float* out) {
  const float scale = half_at(block);
  for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(static_cast<int8_t>(block[kCodes + i]));
}

// 256 values in 16 or 8 groups, whose scales are small integers times one scale of the block.

/// Two bits of a code: of value `i` in a plane of 64 bytes, whose halves have 128 values each, 32 a bit pair.
int two_bits(const uint8_t* plane, int i) {
  return (plane[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
}

void decode_q2_k(const uint8_t* block, float* out) {
  const float scale = half_at(block + 80);
  const float minimum = half_at(block + 82);
  for (int i = 0; i < 256; ++i) {
    const int group = block[i / 16];
    out[i] = scale * static_cast<float>(group & 15) * static_cast<float>(two_bits(block + 16, i)) -
             minimum * static_cast<float>(group >> 4);
  }
}

/// The 6-bit scale of group `i` of 16: four low bits in the first 8 bytes, two high bits in the last 4.
int q3_scale(const uint8_t* scales, int i) {
  const int low = i < 8 ? scales[i] & 15 : scales[i - 8] >> 4;
  const int high = (scales[8 + i % 4] >> (i / 4 * 2)) & 3;
  return (low | high << 4) - 32;
}

void decode_q3_k(const uint8_t* block, float* out) {
  const float scale = half_at(block + 108);
  for (int i = 0; i < 256; ++i) {
    // The third bit of a code, where it is not set, takes 4 away.
    const int bit = (block[i % 32] >> (i / 32)) & 1;
    const int code = two_bits(block + 32, i) - (bit != 0 ? 0 : 4);
    out[i] = scale * static_cast<float>(q3_scale(block + 96, i / 16)) * static_cast<float>(code);
  }
}

struct ScaleAndMinimum {
  float scale;
  float minimum;
};

/// Of group `i` of 8: 6 bits each, packed into 12 bytes.
ScaleAndMinimum q45_group(const uint8_t* block, int i) {
  const float scale = half_at(block);
  const float minimum = half_at(block + 2);
  const uint8_t* packed = block + 4;
  int own_scale = packed[i] & 63;
  int own_minimum = packed[i + 4] & 63;
  if (i >= 4) {
    own_scale = (packed[i + 4] & 15) | (packed[i - 4] >> 6) << 4;
    own_minimum = (packed[i + 4] >> 4) | (packed[i] >> 6) << 4;
  }
  return {scale * static_cast<float>(own_scale), minimum * static_cast<float>(own_minimum)};
}

/// Four bits of value `k` in group `i` of 8: two groups share 32 bytes.
int half_byte(const uint8_t* plane, int i, int k) {
  const int both = plane[i / 2 * 32 + k];
  return i % 2 == 0 ? both & 15 : both >> 4;
}

void decode_q4_k(const uint8_t* block, float* out) {
  for (int i = 0; i < 8; ++i) {
    const auto [scale, minimum] = q45_group(block, i);
    for (int k = 0; k < 32; ++k) *out++ = scale * static_cast<float>(half_byte(block + 16, i, k)) - minimum;
  }
}

void decode_q5_k(const uint8_t* block, float* out) {
  const uint8_t* high = block + 16;
  for (int i = 0; i < 8; ++i) {
    const auto [scale, minimum] = q45_group(block, i);
    for (int k = 0; k < 32; ++k) {
      const int code = half_byte(block + 48, i, k) | ((high[k] >> i) & 1) << 4;
      *out++ = scale * static_cast<float>(code) - minimum;
    }
  }
}

void decode_q6_k(const uint8_t* block, float* out) {
  const float scale = half_at(block + 208);
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128;
    const int within = i % 128;
    const int both = block[half * 64 + within % 64];
    const int low = within < 64 ? both & 15 : both >> 4;
    const int code = low | two_bits(block + 128, i) << 4;
    const auto group = static_cast<int8_t>(block[192 + i / 16]);
    out[i] = scale * static_cast<float>(group) * static_cast<float>(code - 32);
  }
}

void decode_q8_k(const uint8_t* block, float* out) {
  const auto scale = std::bit_cast<float>(word_at(block));
  for (int i = 0; i < 256; ++i) out[i] = scale * static_cast<float>(static_cast<int8_t>(block[4 + i]));
}

constexpr std::array<BlockFormat, 16> kFormats{{{},
                                                {},
                                                {"Q4_0", 32, 18, decode_q4_0},
                                                {"Q4_1", 32, 20, decode_q4_1},
                                                {},
                                                {},
                                                {"Q5_0", 32, 22, decode_q5_0},
                                                {"Q5_1", 32, 24, decode_q5_1},
                                                {"Q8_0", 32, 34, decode_q8<2>},
                                                {"Q8_1", 32, 36, decode_q8<4>},
                                                {"Q2_K", 256, 84, decode_q2_k},
                                                {"Q3_K", 256, 110, decode_q3_k},
                                                {"Q4_K", 256, 144, decode_q4_k},
                                                {"Q5_K", 256, 176, decode_q5_k},
                                                {"Q6_K", 256, 210, decode_q6_k},
                                                {"Q8_K", 256, 292, decode_q8_k}}};

class DecodedStorage : public StoredStorage {
 public:
  DecodedStorage(std::shared_ptr<const StoredStorage> storage, const BlockFormat& format)
      : StoredStorage(storage->name(), storage->bytes() / format.bytes * format.values * sizeof(float)),
        storage_(std::move(storage)),
        format_(format) {}

 private:
  void read_checked(uint64_t offset, std::span<std::byte> out) const override {
    const uint64_t step = format_.values * sizeof(float);
    std::vector<uint8_t> blocks;
    std::vector<float> values(format_.values);
    while (!out.empty()) {
      const uint64_t first = offset / step;
      const uint64_t count = std::min<uint64_t>(kPieceBlocks, (offset + out.size() - 1) / step - first + 1);
      blocks.resize(count * format_.bytes);
      storage_->read(first * format_.bytes, std::as_writable_bytes(std::span(blocks)));
      for (uint64_t i = 0; i < count; ++i) {
        format_.decode(&blocks[i * format_.bytes], values.data());
        const uint64_t skipped = offset - (first + i) * step;
        const uint64_t taken = std::min<uint64_t>(step - skipped, out.size());
        std::memcpy(out.data(), reinterpret_cast<const std::byte*>(values.data()) + skipped, taken);
        out = out.subspan(taken);
        offset += taken;
      }
    }
  }

  std::shared_ptr<const StoredStorage> storage_;
  const BlockFormat& format_;
};

}  // namespace

const BlockFormat* block_format(uint32_t type) {
  if (type >= kFormats.size() || kFormats[type].decode == nullptr) return nullptr;
  return &kFormats[type];
}

std::shared_ptr<const StoredStorage> decoded_storage(std::shared_ptr<const StoredStorage> storage,
                                                     const BlockFormat& format) {
  return std::make_shared<DecodedStorage>(std::move(storage), format);
}

}  // namespace bevgrad
