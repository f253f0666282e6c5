#include "cuda/weights.h"

#include "internal/kept_copies.h"
#include "tensor/element.h"
#include "tensor/graph_recording.h"
#include "tensor/launch.h"
#include "tensor/ops.h"

namespace bevgrad::cuda {
namespace {

// Never destroyed: it holds tensors, whose allocator may go first.
KeptCopies<DType>& weight_cache() {
  static auto& cache = *new KeptCopies<DType>(kMaxKeptWeights);
  return cache;
}

template <class T>
struct Prepare {
  T* prepared;
  const float* weight;
  const float* scale;
  int64_t channels, taps;

  BEVGRAD_HD void operator()(int64_t i) const {
    const int64_t c = i % channels, t = i / channels % taps, k = i / (channels * taps);
    const float value = weight[(k * channels + c) * taps + t];
    store(prepared, i, scale ? value * scale[k] : value);
  }
};

template <class T>
struct Restore {
  float* weight;
  const T* prepared;
  int64_t channels, taps;

  BEVGRAD_HD void operator()(int64_t i) const {
    const int64_t t = i % taps, c = i / taps % channels, k = i / (channels * taps);
    weight[i] = load(prepared, (k * taps + t) * channels + c);
  }
};

}  // namespace

bool layouts_coincide(const Tensor& weight) {
  return weight.size(1) == 1 || weight.size(2) * weight.size(3) == 1;
}

Tensor prepare_weight(const Tensor& weight, const Tensor& scale, DType dtype, bool keep) {
  if (dtype == DType::Float32 && !scale.defined() && layouts_coincide(weight)) return weight;
  if (keep) {
    if (Tensor found = weight_cache().find(weight, scale, dtype); found.defined()) return found;
  }
  const Tensor prepared = empty(weight.sizes(), {dtype, MemoryFormat::ChannelsLast, weight.device()});
  const float* in = weight.data<float>();
  const float* factors = scale.defined() ? scale.data<float>() : nullptr;
  const int64_t channels = weight.size(1), taps = weight.size(2) * weight.size(3);
  if (dtype == DType::Float32) {
    launch(weight.device(), weight.numel(), Prepare<float>{prepared.data<float>(), in, factors, channels, taps});
  } else {
    launch(weight.device(), weight.numel(), Prepare<BFloat16>{prepared.data<BFloat16>(), in, factors, channels, taps});
  }
  if (keep && !is_recording_graph()) weight_cache().keep(weight, scale, dtype, prepared);
  return prepared;
}

Tensor prepare_shift(const Tensor& shift, DType dtype, bool keep) {
  if (!keep) return ops::to(shift, dtype);
  if (Tensor found = weight_cache().find(shift, {}, dtype); found.defined()) return found;
  const Tensor prepared = ops::to(shift, dtype);
  if (!is_recording_graph()) weight_cache().keep(shift, {}, dtype, prepared);
  return prepared;
}

void restore_weight(const Tensor& weight, const Tensor& prepared) {
  float* out = weight.data<float>();
  const int64_t channels = weight.size(1), taps = weight.size(2) * weight.size(3);
  if (prepared.dtype() == DType::Float32) {
    launch(weight.device(), weight.numel(), Restore<float>{out, prepared.data<float>(), channels, taps});
  } else {
    launch(weight.device(), weight.numel(), Restore<BFloat16>{out, prepared.data<BFloat16>(), channels, taps});
  }
}

size_t kept_weight_bytes() {
  return weight_cache().bytes();
}

}  // namespace bevgrad::cuda
