// Copies: between layouts and between dtypes.
#include <cstring>

#include "tensor/element.h"
#include "tensor/ops.h"
#include "tensor/pack.h"
#include "tensor/tape.h"
#include "tensor/walk.h"

#ifdef BEVGRAD_CUDA
#include "cuda/memory.h"
#endif

namespace bevgrad::ops {
namespace {

constexpr int64_t kTile = 16;

template <class To, class From>
BEVGRAD_HD void convert(To* to, int64_t i, const From* from, int64_t j) {
  if constexpr (std::is_same_v<To, From>) {
    to[i] = from[j];
  } else {
    store(to, i, static_cast<compute_t<To>>(load(from, j)));
  }
}

// The dimension along which the source is dense while the target runs across it, or -1: a transposition.
int transposed_dimension(const Walk& walk) {
  if (walk.inner(1) == 1 || walk.inner(1) == 0 || walk.sizes[0] < 2) return -1;
  for (int d = 1; d < walk.rank; ++d)
    if (walk.strides[1][d] == 1) return d;
  return -1;
}

// One tile of a transposition: both sides stay in whole cache lines. `ToStep` is a constant 1 where it can be.
template <class To, class From, class ToStep>
void copy_tile(To* to, ToStep to_step, int64_t to_jump, const From* from, int64_t from_jump, int64_t across,
               int64_t width) {
  for (int64_t begin = 0; begin < across; begin += kTile) {
    const int64_t end = std::min(across, begin + kTile);
    for (int64_t j = 0; j < width; ++j)
      for (int64_t i = begin; i < end; ++i) convert(to, j * to_jump + i * to_step, from, j + i * from_jump);
  }
}

// Target and source are dense along different dimensions; `dense` is the source's.
template <class To, class From>
void copy_transposed(const Walk& walk, int dense, To* to, const From* from) {
  const int64_t across = walk.sizes[0];
  // A tile covers up to kTile of the target's dimension and at least as many of the source's.
  const int64_t width = std::max(kTile, kTile * kTile * 2 / std::max<int64_t>(across, 1));
  const int64_t tiles = (walk.sizes[dense] + width - 1) / width;
  const int64_t groups = walk.count / across / walk.sizes[dense];
  auto one = [&](int64_t item) {
    const int64_t start = item % tiles * width;
    int64_t rest = item / tiles, to_offset = start * walk.strides[0][dense], from_offset = start;
    for (int d = 1; d < walk.rank; ++d) {
      if (d == dense) continue;
      const int64_t index = rest % walk.sizes[d];
      rest /= walk.sizes[d];
      to_offset += index * walk.strides[0][d];
      from_offset += index * walk.strides[1][d];
    }
    const int64_t length = std::min(width, walk.sizes[dense] - start);
    const int64_t to_jump = walk.strides[0][dense], from_jump = walk.strides[1][0];
    if (walk.inner(0) == 1) {
      using One = std::integral_constant<int64_t, 1>;
      copy_tile(to + to_offset, One{}, to_jump, from + from_offset, from_jump, across, length);
    } else {
      copy_tile(to + to_offset, walk.inner(0), to_jump, from + from_offset, from_jump, across, length);
    }
  };
  launch_host(groups * tiles, one, std::max<int64_t>(1, across * width));
}

template <class T>
struct FillElement {
  T* to;
  T value;
  BEVGRAD_HD void operator()(const std::array<int64_t, 1>& offsets) const { to[offsets[0]] = value; }
};

template <class To, class From>
struct CopyElement {
  To* to;
  const From* from;
  BEVGRAD_HD void operator()(const std::array<int64_t, 2>& offsets) const { convert(to, offsets[0], from, offsets[1]); }
};

// The same without gaps, several elements at once.
template <class To, class From>
struct CopyPacks {
  static constexpr int kLanes = 16 / (sizeof(To) > sizeof(From) ? sizeof(To) : sizeof(From));
  To* to;
  const From* from;
  int64_t count;
  BEVGRAD_HD void operator()(int64_t i) const {
    int64_t at = i * kLanes;
    if (at + kLanes > count) {
      for (; at < count; ++at) convert(to, at, from, at);
      return;
    }
    const auto in = *reinterpret_cast<const Pack<From, kLanes>*>(from + at);
    Pack<To, kLanes> out;
    for (int k = 0; k < kLanes; ++k) convert(out.lanes, k, in.lanes, k);
    *reinterpret_cast<Pack<To, kLanes>*>(to + at) = out;
  }
  bool fits() const { return (reinterpret_cast<uintptr_t>(to) | reinterpret_cast<uintptr_t>(from)) % 16 == 0; }
};

template <class To, class From>
void copy_elements(Device device, const Walk& walk, To* to, const From* from) {
  if (!device.is_cpu()) {
    const CopyPacks<To, From> packs{to, from, walk.count};
    if (walk.rank == 1 && walk.inner(0) == 1 && walk.inner(1) == 1 && packs.fits())
      return launch(device, (walk.count + packs.kLanes - 1) / packs.kLanes, packs);
    return launch(device, walk.count, WalkElement<2, CopyElement<To, From>>{walk, {to, from}});
  }
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
        for (int64_t i = 0; i < length; ++i) convert(t, i, f, i);
      }
    } else if (to0 == 1 && from0 == 0) {
      To value;
      convert(&value, 0, f, 0);
#pragma omp simd
      for (int64_t i = 0; i < length; ++i) t[i] = value;
    } else {
      for (int64_t i = 0; i < length; ++i) convert(t, i * to0, f, i * from0);
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

#ifdef BEVGRAD_CUDA

namespace {

// Both dense in one layout and of one dtype, on different devices.
void copy_bytes(const Tensor& target, const Tensor& source) {
  const Device to = target.device(), from = source.device();
  if (from.is_cpu()) {
    cuda::copy_from_host(target.raw_data(), source.raw_data(), source.nbytes(), to.index);
    // Whoever let go of page-locked memory before it was read would change the copy.
    if (source.storage()->pinned) synchronize(to);
    return;
  }
  check(to.is_cpu(), "copy_: {} to {} goes by way of the cpu", to_string(from), to_string(to));
  cuda::copy_to_host(target.raw_data(), source.raw_data(), source.nbytes(), from.index);
}

// Bytes cross as they are; layout and dtype change on the target's side.
void copy_across(const Tensor& target, const Tensor& source) {
  if (!target.device().is_cpu() && !source.device().is_cpu()) return copy_(target, to(source, Device{}));
  const MemoryFormat format = source.suggested_format();
  const Tensor dense = contiguous(source, format);
  if (target.dtype() == dense.dtype() && target.sizes() == dense.sizes() && target.is_contiguous(format))
    return copy_bytes(target, dense);
  const Tensor arrived = empty(dense.sizes(), {dense.dtype(), format, target.device()});
  copy_bytes(arrived, dense);
  copy_(target, arrived);
}

}  // namespace

#else

static void copy_across(const Tensor& target, const Tensor& source) {
  fail("copy_: target is {}, source {}: {}", describe(target), describe(source), cuda_problem());
}

#endif

void copy_(const Tensor& target, const Tensor& source) {
  const tape::PlainOp scope("copy_", {{"target", target}, {"source", source}});
  check(broadcast_shapes("copy_", target.sizes(), source.sizes()) == target.sizes(),
        "copy_: source {} does not broadcast to target {}", to_string(source.sizes()), to_string(target.sizes()));
  target.note_write();
  if (target.numel() == 0) return;
  if (target.device() != source.device()) return copy_across(target, source);
  const Device device = target.device();
  const Walk walk = plan_walk(target.sizes(), {{target.sizes(), target.strides()}, {source.sizes(), source.strides()}});
  if (target.dtype() == source.dtype()) {
    dispatch_bits(target.dtype(), [&]<class T>() {
      copy_elements(device, walk, static_cast<T*>(target.raw_data()), static_cast<const T*>(source.raw_data()));
    });
    return;
  }
  dispatch_all(target.dtype(), [&]<class To>() {
    dispatch_all(source.dtype(), [&]<class From>() {
      if constexpr (!std::is_same_v<To, From>) copy_elements(device, walk, target.data<To>(), source.data<From>());
    });
  });
}

void fill_(const Tensor& target, double value) {
  const tape::PlainOp scope("fill_", {{"target", target}});
  if (target.device().is_cpu())
    return copy_(target, full(Shape(target.sizes().size(), 1), value, {target.dtype(), {}, target.device()}));
  target.note_write();
  const Walk walk = plan_walk(target.sizes(), {{target.sizes(), target.strides()}});
  dispatch_all(target.dtype(), [&]<class T>() {
    const T filled = static_cast<T>(static_cast<compute_t<T>>(value));
    launch(target.device(), walk.count, WalkElement<1, FillElement<T>>{walk, {target.data<T>(), filled}});
  });
}

Tensor clone(const Tensor& x) {
  const tape::PlainOp scope("clone", {{"x", x}});
  Tensor result = empty_like(x);
  copy_(result, x);
  return result;
}

Tensor contiguous(const Tensor& x, MemoryFormat format) {
  const tape::PlainOp scope("contiguous", {{"x", x}});
  if (x.is_contiguous(format)) return x;
  Tensor result = empty(x.sizes(), {x.dtype(), format, x.device()});
  copy_(result, x);
  return result;
}

Tensor to(const Tensor& x, Device device) {
  const tape::PlainOp scope("to", {{"x", x}});
  if (x.device() == device) return x;
  Tensor result = empty(x.sizes(), {x.dtype(), x.suggested_format(), device});
  copy_(result, x);
  return result;
}

Tensor to(const Tensor& x, DType dtype) {
  const tape::PlainOp scope("to", {{"x", x}});
  if (x.dtype() == dtype) return x;
  Tensor result = empty(x.sizes(), {dtype, x.suggested_format(), x.device()});
  copy_(result, x);
  return result;
}

}  // namespace bevgrad::ops
