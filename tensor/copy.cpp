// Copies: between layouts and between dtypes.
#include <cstring>

#include "tensor/ops.h"
#include "tensor/walk.h"

namespace bevgrad::ops {
namespace {

constexpr int64_t kTile = 16;

template <class To, class From>
To converted(From value) {
  if constexpr (std::is_same_v<To, From>) {
    return value;
  } else {
    return static_cast<To>(static_cast<compute_t<To>>(static_cast<compute_t<From>>(value)));
  }
}

// The dimension along which the source is dense while the target runs across it, or -1: a transposition.
int transposed_dimension(const Walk& walk) {
  if (walk.inner(1) == 1 || walk.inner(1) == 0 || walk.sizes[0] < 2) return -1;
  for (int d = 1; d < walk.rank; ++d)
    if (walk.strides[1][d] == 1) return d;
  return -1;
}

// Transposes in tiles, so that both sides use whole cache lines. `dense`: the source's dense dimension.
template <class To, class From>
void copy_transposed(const Walk& walk, int dense, To* to, const From* from) {
  // Rows are the tiles along `dense`, for each index of the other dimensions.
  Walk tiles;
  tiles.rank = 1;
  tiles.sizes[0] = (walk.sizes[dense] + kTile - 1) / kTile;
  for (int k = 0; k < 2; ++k) tiles.strides[k][0] = walk.strides[k][dense] * kTile;
  tiles.count = tiles.sizes[0];
  for (int d = 1; d < walk.rank; ++d) {
    if (d == dense) continue;
    tiles.sizes[tiles.rank] = walk.sizes[d];
    for (int k = 0; k < 2; ++k) tiles.strides[k][tiles.rank] = walk.strides[k][d];
    tiles.count *= walk.sizes[d];
    ++tiles.rank;
  }
  const int64_t across = walk.sizes[0];
  const int64_t to0 = walk.strides[0][0], from0 = walk.strides[1][0];
  const int64_t to1 = walk.strides[0][dense], from1 = walk.strides[1][dense];
  const int64_t step = tiles.strides[1][0];
  // Threads share the tiles through a flat index.
  const int64_t groups = tiles.count / tiles.sizes[0];
  auto one = [&](int64_t item) {
    int64_t rest = item / tiles.sizes[0];
    const int64_t tile = item % tiles.sizes[0];
    int64_t to_offset = tile * tiles.strides[0][0], from_offset = tile * step;
    for (int d = 1; d < tiles.rank; ++d) {
      const int64_t index = rest % tiles.sizes[d];
      rest /= tiles.sizes[d];
      to_offset += index * tiles.strides[0][d];
      from_offset += index * tiles.strides[1][d];
    }
    const int64_t width = std::min(kTile, walk.sizes[dense] - tile * kTile);
    for (int64_t a = 0; a < across; a += kTile) {
      const int64_t height = std::min(kTile, across - a);
      for (int64_t j = 0; j < width; ++j)
        for (int64_t i = a; i < a + height; ++i)
          to[to_offset + j * to1 + i * to0] = converted<To>(from[from_offset + j * from1 + i * from0]);
    }
  };
  launch({}, groups * tiles.sizes[0], one, std::max<int64_t>(1, across * kTile));
}

template <class To, class From>
void copy_elements(const Walk& walk, To* to, const From* from) {
  if (const int dense = transposed_dimension(walk); dense >= 0) {
    copy_transposed(walk, dense, to, from);
    return;
  }
  const int64_t to0 = walk.inner(0), from0 = walk.inner(1);
  for_each_row<2>(walk, [&](const std::array<int64_t, 2>& offsets, int64_t length) {
    To* t = to + offsets[0];
    const From* f = from + offsets[1];
    if (to0 == 1 && from0 == 1) {
      if constexpr (std::is_same_v<To, From>) {
        std::memcpy(t, f, static_cast<size_t>(length) * sizeof(To));
      } else {
#pragma omp simd
        for (int64_t i = 0; i < length; ++i) t[i] = converted<To>(f[i]);
      }
    } else {
      for (int64_t i = 0; i < length; ++i) t[i * to0] = converted<To>(f[i * from0]);
    }
  });
}

// Calls f with an integer type of the dtype's size: a copy without conversion only moves bits.
template <class F>
void dispatch_bits(DType dtype, F&& f) {
  switch (item_size(dtype)) {
    case 1:
      return f.template operator()<uint8_t>();
    case 2:
      return f.template operator()<uint16_t>();
    case 4:
      return f.template operator()<uint32_t>();
    default:
      return f.template operator()<uint64_t>();
  }
}

}  // namespace

void copy_(const Tensor& target, const Tensor& source) {
  check(target.device() == source.device(), "copy_: target is {}, source {}", describe(target), describe(source));
  check(target.device().is_cpu(), "copy_: this build has no backend for {}", to_string(target.device()));
  check(broadcast_shapes("copy_", target.sizes(), source.sizes()) == target.sizes(),
        "copy_: source {} does not broadcast to target {}", to_string(source.sizes()), to_string(target.sizes()));
  ++target.storage()->version;
  if (target.numel() == 0) return;
  const Walk walk = plan_walk(target.sizes(), {{target.sizes(), target.strides()}, {source.sizes(), source.strides()}});
  if (target.dtype() == source.dtype()) {
    dispatch_bits(target.dtype(), [&]<class T>() {
      copy_elements(walk, static_cast<T*>(target.raw_data()), static_cast<const T*>(source.raw_data()));
    });
    return;
  }
  dispatch_all(target.dtype(), [&]<class To>() {
    dispatch_all(source.dtype(), [&]<class From>() {
      if constexpr (!std::is_same_v<To, From>) copy_elements(walk, target.data<To>(), source.data<From>());
    });
  });
}

void fill_(const Tensor& target, double value) {
  copy_(target, full(Shape(target.sizes().size(), 1), value, {target.dtype(), {}, target.device()}));
}

Tensor clone(const Tensor& x) {
  Tensor result = empty_like(x);
  copy_(result, x);
  return result;
}

Tensor contiguous(const Tensor& x, MemoryFormat format) {
  if (x.is_contiguous(format)) return x;
  Tensor result = empty(x.sizes(), {x.dtype(), format, x.device()});
  copy_(result, x);
  return result;
}

Tensor to(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  Tensor result = empty(x.sizes(), {dtype, x.suggested_format(), x.device()});
  copy_(result, x);
  return result;
}

}  // namespace bevgrad::ops
