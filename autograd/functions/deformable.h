// Attention and convolution whose places are learned, made of grid_sample: values and weights float32, float64 or
// bfloat16, places (locations, offsets) float32 or float64.
#pragma once
#include <optional>
#include <vector>

#include "autograd/autograd.h"
#include "tensor/pair.h"

namespace bevgrad {

/// Multi-scale deformable attention (Zhu et al., "Deformable DETR", 2021): value [N,S,heads,D], the rows of all levels
/// one after the other, each in the order of its map; spatial_shapes: the sizes of the levels' maps, S places together;
/// sampling_locations [N,L,heads,levels,points,2] as (x, y) from 0 to 1 over a map; attention_weights
/// [N,L,heads,levels,points] -> [N,L,heads * D]: the weighted sum of the bilinear samples, 0 beyond a map.
Tensor multi_scale_deformable_attention(const Tensor& value, const std::vector<Pair>& spatial_shapes,
                                        const Tensor& sampling_locations, const Tensor& attention_weights);

struct DeformConv2dOptions {
  Pair stride = 1;
  Pair padding = 0;
  Pair dilation = 1;
  /// [N, groups * kh * kw, OH,OW]: a factor for each sample (Zhu et al., "Deformable ConvNets v2", 2019).
  Tensor mask = {};
};

/// torchvision.ops.deform_conv2d (Dai et al., 2017): x [N,C,H,W], offset [N, 2 * groups * kh * kw, OH,OW] as pairs
/// (down, right) in pixels for each place of the kernel, weight [K,C/weight groups,kh,kw], bias [K] or undefined ->
/// [N,K,OH,OW]. Each offset group moves its own part of the input channels. The samples of all kernel places are in
/// memory together.
Tensor deform_conv2d(const Tensor& x, const Tensor& offset, const Tensor& weight, const Tensor& bias = {},
                     const DeformConv2dOptions& options = {});

}  // namespace bevgrad
