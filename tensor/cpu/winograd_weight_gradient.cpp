// y = A' [(G w G') * (B' d B)] A for each tile gives dw = G' [sum over the tiles of (A dy A') * (B' d B)] G: for each
// of the 36 frequencies one product of matrices [K, tiles] x [tiles, C], summed up over blocks of tiles. Threads share
// the tiles of a block while it is transformed and the frequencies while it is multiplied, so that every sum has one
// order.
#include "cpu/winograd_weight_gradient.h"

#include "cpu/onednn.h"
#include "cpu/winograd_tiles.h"

namespace bevgrad::cpu {
namespace {

using namespace winograd;
using V = Register<float>;

constexpr int64_t kRows = 64;  // tiles a block
constexpr int kTaps = 3;

// One tile's output gradients to its 36 frequencies; beyond the border they are 0.
template <class T>
void transform_gradient(const Tiles& tiles, Tile tile, int64_t channels, const T* dy, const T* zeros, float* to,
                        int64_t stride) {
  const T* pixels[kOut][kOut];
  for (int64_t i = 0; i < kOut; ++i)
    for (int64_t j = 0; j < kOut; ++j) {
      const int64_t h = tile.row + i, w = tile.column + j;
      const bool inside = h < tiles.out_height && w < tiles.out_width;
      pixels[i][j] = inside ? dy + ((tile.image * tiles.out_height + h) * tiles.out_width + w) * channels : zeros;
    }
  for_each_register(channels, [&](int64_t k, auto lanes) {
    V half[kIn][kOut];
#pragma GCC unroll 4
    for (int j = 0; j < kOut; ++j) {
      V column[kOut], out[kIn];
#pragma GCC unroll 4
      for (int i = 0; i < kOut; ++i) column[i] = lanes.load(pixels[i][j] + k);
      gradient_line(column, out);
#pragma GCC unroll 6
      for (int i = 0; i < kIn; ++i) half[i][j] = out[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < kIn; ++i) {
      V out[kIn];
      gradient_line(half[i], out);
#pragma GCC unroll 6
      for (int j = 0; j < kIn; ++j) store_register(to + (i * kIn + j) * stride + k, out[j]);
    }
  });
}

// The nine taps from the 36 frequencies, which lie `stride` floats apart, in double as they were made.
void transform_taps(const float* from, int64_t stride, float* to) {
  double half[kTaps][kIn];
  for (int j = 0; j < kIn; ++j) {
    double column[kIn], out[kTaps];
    for (int i = 0; i < kIn; ++i) column[i] = static_cast<double>(from[(i * kIn + j) * stride]);
    tap_line(column, out);
    for (int i = 0; i < kTaps; ++i) half[i][j] = out[i];
  }
  for (int i = 0; i < kTaps; ++i) {
    double out[kTaps];
    tap_line(half[i], out);
    for (int j = 0; j < kTaps; ++j) to[i * kTaps + j] = static_cast<float>(out[j]);
  }
}

template <class T>
void run(const Tensor& dweight, const Tensor& x, const Tensor& dy, int padding) {
  const Tiles tiles(x, dy, padding);
  const int64_t inputs = x.size(1), outputs = dy.size(1), plane = outputs * inputs;
  const int64_t inner = whole_lines(inputs), outer = whole_lines(outputs);
  // A line further apart than their size, as in the forward pass.
  const int64_t input_stride = kRows * inner + kLine, gradient_stride = kRows * outer + kLine;
  const Tensor input_frequencies = empty({kFrequencies, input_stride});
  const Tensor gradient_frequencies = empty({kFrequencies, gradient_stride});
  const Tensor sums = empty({kFrequencies, plane});
  const std::vector<T> zeros(static_cast<size_t>(std::max(inputs, outputs)));
  const T *in = x.data<T>(), *out = dy.data<T>();
  float *from_inputs = input_frequencies.data<float>(), *from_gradients = gradient_frequencies.data<float>();
  float *sum = sums.data<float>(), *to = dweight.data<float>();
#pragma omp parallel
  {
    for (int64_t begin = 0; begin < tiles.count; begin += kRows) {
      const int64_t rows = std::min(kRows, tiles.count - begin);
#pragma omp for schedule(static)
      for (int64_t t = 0; t < rows; ++t) {
        const Tile tile = tiles[begin + t];
        transform_input(tiles, tile, inputs, in, zeros.data(), from_inputs + t * inner, input_stride);
        transform_gradient(tiles, tile, outputs, out, zeros.data(), from_gradients + t * outer, gradient_stride);
      }
#pragma omp for schedule(static)
      for (int64_t f = 0; f < kFrequencies; ++f)
        dnnl::sgemm('T', 'N', outputs, inputs, rows, 1.0f, from_gradients + f * gradient_stride, outer,
                    from_inputs + f * input_stride, inner, begin == 0 ? 0.0f : 1.0f, sum + f * plane, inputs);
    }
#pragma omp for schedule(static)
    for (int64_t i = 0; i < plane; ++i) transform_taps(sum + i, plane, to + i * kTaps * kTaps);
  }
}

}  // namespace

void conv2d_backward_weight_by_winograd(const Tensor& dweight, const Tensor& x, const Tensor& dy, ConvOptions options) {
  if (x.dtype() == DType::BFloat16) return run<BFloat16>(dweight, x, dy, options.padding.h);
  run<float>(dweight, x, dy, options.padding.h);
}

}  // namespace bevgrad::cpu
