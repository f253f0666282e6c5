// The tiles that Winograd's convolution cuts images into, and how their inputs reach the frequencies.
#pragma once
#include "cpu/register.h"
#include "cpu/winograd_transform.h"
#include "tensor/tensor.h"

namespace bevgrad::cpu::winograd {

inline constexpr int64_t kLine = 16;  // floats in a line of the cache

constexpr int64_t divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}
constexpr int64_t whole_lines(int64_t channels) {
  return divide_up(channels, kLine) * kLine;
}

/// Where a tile of 4x4 outputs begins.
struct Tile {
  int64_t image, row, column;
};

/// All tiles of a convolution of x [N,C,H,W] to y, both channels-last.
struct Tiles {
  Tiles(const Tensor& x, const Tensor& y, int pad)
      : height(x.size(2)),
        width(x.size(3)),
        out_height(y.size(2)),
        out_width(y.size(3)),
        padding(pad),
        rows(divide_up(out_height, kOut)),
        columns(divide_up(out_width, kOut)),
        count(x.size(0) * rows * columns) {}

  Tile operator[](int64_t index) const {
    const int64_t rest = index / columns;
    return {rest / rows, rest % rows * kOut, index % columns * kOut};
  }

  int64_t height, width, out_height, out_width;
  int padding;
  int64_t rows, columns;  // tiles an image
  int64_t count;
};

/// One tile's inputs to its 36 frequencies, which lie `stride` floats apart. `zeros` stands in for pixels beyond the
/// border. Writes whole registers.
template <class T>
void transform_input(const Tiles& tiles, Tile tile, int64_t channels, const T* x, const T* zeros, float* to,
                     int64_t stride) {
  using V = Register<float>;
  const T* pixels[kIn][kIn];
  for (int64_t i = 0; i < kIn; ++i) {
    const int64_t h = tile.row - tiles.padding + i;
    for (int64_t j = 0; j < kIn; ++j) {
      const int64_t w = tile.column - tiles.padding + j;
      const bool inside = h >= 0 && h < tiles.height && w >= 0 && w < tiles.width;
      pixels[i][j] = inside ? x + ((tile.image * tiles.height + h) * tiles.width + w) * channels : zeros;
    }
  }
  for_each_register(channels, [&](int64_t c, auto lanes) {
    V half[kIn][kIn];
#pragma GCC unroll 6
    for (int j = 0; j < kIn; ++j) {
      V column[kIn], out[kIn];
#pragma GCC unroll 6
      for (int i = 0; i < kIn; ++i) column[i] = lanes.load(pixels[i][j] + c);
      input_line(column, out);
#pragma GCC unroll 6
      for (int i = 0; i < kIn; ++i) half[i][j] = out[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < kIn; ++i) {
      V out[kIn];
      input_line(half[i], out);
#pragma GCC unroll 6
      for (int j = 0; j < kIn; ++j) store_register(to + (i * kIn + j) * stride + c, out[j]);
    }
  });
}

}  // namespace bevgrad::cpu::winograd
