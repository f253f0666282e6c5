#include "nccl/reduce.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace bevgrad::emulation::nccl {
namespace {

constexpr size_t kPiece = 1000;

struct Bfloat16 {
  uint16_t bits;
};

template <class T>
T load(const char* from, size_t i) {
  T value;
  std::memcpy(&value, from + i * sizeof(T), sizeof(T));
  return value;
}

template <class T>
auto widen(T value) {
  if constexpr (std::is_same_v<T, Bfloat16>) {
    const uint32_t bits = static_cast<uint32_t>(value.bits) << 16;
    float wide;
    std::memcpy(&wide, &bits, sizeof(wide));
    return wide;
  } else {
    return value;
  }
}

/// To the nearest, ties to even.
template <class T, class Wide>
T narrow(Wide value) {
  if constexpr (std::is_same_v<T, Bfloat16>) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof(bits));
    if (std::isnan(value)) return {0x7fc0};
    return {static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)};
  } else {
    return static_cast<T>(value);
  }
}

template <class T>
void reduce_all(char* to, const std::vector<const char*>& inputs, size_t first, size_t count, ncclRedOp_t op) {
  using Wide = decltype(widen(T()));
  const size_t ranks = inputs.size();
  const Wide share = static_cast<Wide>(1.0 / static_cast<double>(ranks));
  const auto input = [&](size_t rank, size_t i) {
    const Wide value = widen(load<T>(inputs[rank], i));
    return op == ncclAvg ? widen(narrow<T>(static_cast<Wide>(value * share))) : value;
  };
  for (size_t i = first; i < first + count; ++i) {
    const size_t start = i / kPiece % ranks;
    Wide sum = input(start, i);
    for (size_t step = 1; step < ranks; ++step) {
      const Wide next = input((start + step) % ranks, i);
      // Stored between the ranks of the ring.
      sum = op == ncclMax ? std::max(sum, next) : widen(narrow<T>(static_cast<Wide>(sum + next)));
    }
    const T result = narrow<T>(sum);
    std::memcpy(to + (i - first) * sizeof(T), &result, sizeof(T));
  }
}

}  // namespace

size_t size_of(ncclDataType_t type) {
  switch (type) {
    case ncclUint8:
      return 1;
    case ncclBfloat16:
      return 2;
    case ncclInt32:
    case ncclFloat32:
      return 4;
    case ncclInt64:
    case ncclFloat64:
      return 8;
  }
  return 0;
}

void reduce(void* to, const std::vector<const char*>& inputs, size_t first, size_t count, ncclDataType_t type,
            ncclRedOp_t op) {
  char* bytes = static_cast<char*>(to);
  switch (type) {
    case ncclUint8:
      return reduce_all<uint8_t>(bytes, inputs, first, count, op);
    case ncclBfloat16:
      return reduce_all<Bfloat16>(bytes, inputs, first, count, op);
    case ncclInt32:
      return reduce_all<int32_t>(bytes, inputs, first, count, op);
    case ncclFloat32:
      return reduce_all<float>(bytes, inputs, first, count, op);
    case ncclInt64:
      return reduce_all<int64_t>(bytes, inputs, first, count, op);
    case ncclFloat64:
      return reduce_all<double>(bytes, inputs, first, count, op);
  }
}

}  // namespace bevgrad::emulation::nccl
