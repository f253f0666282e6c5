// Convolutions of one and three dimensions, made of the two-dimensional ones: dtypes, devices, autocast and errors are
// theirs.
#pragma once
#include "autograd/functions/conv_transpose.h"

namespace bevgrad {

/// Three numbers of a three-dimensional window: depth, rows, columns; one number stands for all.
struct Triple {
  int d, h, w;

  constexpr Triple(int all) : d(all), h(all), w(all) {}  // NOLINT(google-explicit-constructor)
  constexpr Triple(int depth, int rows, int columns) : d(depth), h(rows), w(columns) {}
  Triple(bool) = delete;  // an option in the wrong place
  constexpr Pair plane() const { return {h, w}; }
};

struct Conv1dOptions {
  int stride = 1, padding = 0, dilation = 1, groups = 1;
};
struct Conv3dOptions {
  Triple stride = 1, padding = 0, dilation = 1;
  int groups = 1;
};
struct ConvTranspose1dOptions {
  int stride = 1, padding = 0, output_padding = 0, groups = 1, dilation = 1;
};
struct ConvTranspose3dOptions {
  Triple stride = 1, padding = 0, output_padding = 0;
  int groups = 1;
  Triple dilation = 1;
};

/// x [N,C,L], weight [K,C/groups,k], bias [K] or undefined -> [N,K,OL].
Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const Conv1dOptions& options = {});
/// x [N,C,D,H,W], weight [K,C/groups,kd,kh,kw], bias [K] or undefined -> [N,K,OD,OH,OW]: the sum of kd two-dimensional
/// convolutions of shifted slices, rounded to the activations' dtype after each.
Tensor conv3d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const Conv3dOptions& options = {});
/// x [N,C,L], weight [C,K/groups,k], bias [K] or undefined -> [N,K,OL].
Tensor conv_transpose1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        const ConvTranspose1dOptions& options = {});
/// x [N,C,D,H,W], weight [C,K/groups,kd,kh,kw], bias [K] or undefined -> [N,K,OD,OH,OW].
Tensor conv_transpose3d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        const ConvTranspose3dOptions& options = {});

}  // namespace bevgrad
