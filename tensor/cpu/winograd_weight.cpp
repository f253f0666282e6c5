#include "cpu/winograd_weight.h"

#include "cpu/register.h"
#include "cpu/weight_cache.h"
#include "cpu/winograd_transform.h"

namespace bevgrad::cpu::winograd {
namespace {

using V = Register<double>;

constexpr int kTaps = 3;

// How the taps of a pair of channels are found.
struct Source {
  const float* data;
  int64_t outputs, inputs;
  int64_t output_stride, input_stride;
  const float* scale;  // or null
  bool backwards;
};

// The taps from some inputs, the first of which is c, to output k; 0 beyond the last channels.
void gather(const Source& from, int64_t k, int64_t c, V (&taps)[kTaps][kTaps]) {
  float lanes[kTaps * kTaps][kRegister] = {};
  const int64_t count = k < from.outputs ? std::min<int64_t>(kRegister, from.inputs - c) : 0;
  for (int64_t l = 0; l < count; ++l) {
    const float* at = from.data + k * from.output_stride + (c + l) * from.input_stride;
    for (int t = 0; t < kTaps * kTaps; ++t) lanes[from.backwards ? kTaps * kTaps - 1 - t : t][l] = at[t];
  }
  const double scale = from.scale && count > 0 ? static_cast<double>(from.scale[k]) : 1.0;
  for (int t = 0; t < kTaps * kTaps; ++t)
    taps[t / kTaps][t % kTaps] = __builtin_convertvector(load_register(lanes[t]), V) * scale;
}

// Computed in double: it runs once per weight, and float would lose precision for good.
void to_frequencies(const V (&taps)[kTaps][kTaps], float* to, int64_t stride) {
  V half[kIn][kTaps];
#pragma GCC unroll 3
  for (int j = 0; j < kTaps; ++j) {
    const V column[kTaps] = {taps[0][j], taps[1][j], taps[2][j]};
    V out[kIn];
    weight_line(column, out);
#pragma GCC unroll 6
    for (int i = 0; i < kIn; ++i) half[i][j] = out[i];
  }
#pragma GCC unroll 6
  for (int i = 0; i < kIn; ++i) {
    V out[kIn];
    weight_line(half[i], out);
#pragma GCC unroll 6
    for (int j = 0; j < kIn; ++j)
      store_register(to + (i * kIn + j) * stride, __builtin_convertvector(out[j], Register<float>));
  }
}

Tensor transform(const Source& from, const dnnl::memory::desc& wanted) {
  const int64_t rows = wanted.dims()[0], columns = wanted.dims()[1], plane = rows * columns;
  const int64_t bytes = static_cast<int64_t>(wanted.get_size());
  const Tensor planes = empty({kFrequencies, rows, columns});
  const Tensor result = empty({kFrequencies, bytes}, {DType::UInt8});
  float* to = planes.data<float>();
  const dnnl::memory::desc plain(wanted.dims(), dnnl::memory::data_type::f32, dnnl::memory::format_tag::oihw);
#pragma omp parallel
  {
#pragma omp for schedule(static)
    for (int64_t k = 0; k < rows; ++k)
      for (int64_t c = 0; c < columns; c += kRegister) {
        V taps[kTaps][kTaps];
        gather(from, k, c, taps);
        to_frequencies(taps, to + k * columns + c, plane);
      }
#pragma omp for schedule(static)
    for (int64_t f = 0; f < kFrequencies; ++f)
      reorder({plain, engine(), to + f * plane}, {wanted, engine(), result.data<uint8_t>() + f * bytes});
  }
  return result;
}

}  // namespace

Tensor transform_weight(const Tensor& weight, const Tensor& scale, const dnnl::memory::desc& wanted) {
  const float* factors = scale.defined() ? scale.data<float>() : nullptr;
  return transform(
      {weight.data<float>(), weight.size(0), weight.size(1), weight.stride(0), weight.stride(1), factors, false},
      wanted);
}

Tensor transform_gradient_weight(const Tensor& weight, const dnnl::memory::desc& wanted) {
  return transform(
      {weight.data<float>(), weight.size(1), weight.size(0), weight.stride(1), weight.stride(0), nullptr, true},
      wanted);
}

}  // namespace bevgrad::cpu::winograd
