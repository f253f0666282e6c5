// From the cameras' feature maps to the bird's-eye view by attention: every cell learns where around its projected
// heights it looks, and which heights count (BEVFormer's spatial cross-attention; Li et al., 2022).
#pragma once
#include <vector>

#include "models/blocks.h"
#include "models/camera/bev_projection.h"
#include "models/camera/seen_cells.h"
#include "models/network_parts.h"
#include "nn/layer_norm.h"
#include "nn/linear.h"
#include "nn/sequential.h"
#include "tensor/random.h"

namespace bevgrad {

struct DeformableAttentionOptions {
  int64_t layers = 2;
  int64_t heads = 8;
  int64_t points = 2;  ///< places that a head looks at, for each height
  int64_t feedforward = 256;
};

/// Each cell attends to the cameras that see it, and takes the mean over them: around the projection of every visible
/// height to `points` places a head, by `sampling_offsets` of the query, weighted by the softmax of its
/// `attention_weights` over heights and places.
class SpatialCrossAttention : public Module {
 public:
  SpatialCrossAttention(int64_t in_channels, int64_t channels, int64_t heights,
                        const DeformableAttentionOptions& options);
  /// query [N,cells,channels]; features per group [images,in_channels,h,w]; cells per group, on the features' device;
  /// shares [N * cells, 1]: 1 / cameras that see a cell.
  Tensor forward(const Tensor& query, const std::vector<Tensor>& features, const std::vector<GroupCells>& cells,
                 const Tensor& shares);
  void draw_offsets(Generator& generator);

 private:
  int64_t heads_, heights_, points_;
  Linear value_proj_, sampling_offsets_, attention_weights_, output_proj_;
};

/// norm1(x + cross_attn), then norm2(x + linear2(relu(linear1(x)))).
class DeformableAttentionLayer : public Module {
 public:
  DeformableAttentionLayer(int64_t in_channels, int64_t channels, int64_t heights,
                           const DeformableAttentionOptions& options);
  Tensor forward(const Tensor& x, const Tensor& position, const std::vector<Tensor>& features,
                 const std::vector<GroupCells>& cells, const Tensor& shares);
  void draw_offsets(Generator& generator) { cross_attn_.draw_offsets(generator); }

 private:
  SpatialCrossAttention cross_attn_;
  LayerNorm norm1_, norm2_;
  Linear linear1_, linear2_;
};

/// `bev_embedding` [cells,channels] are the queries; `row_embed` and `col_embed`, of half the channels each, side by
/// side say where a cell lies. Behind the `layers` `conv` 3x3 without bias, `bn`, ReLU.
class DeformableAttention : public ViewTransform {
 public:
  DeformableAttention(int64_t in_channels, int64_t out_channels, const BevPoints& points,
                      const DeformableAttentionOptions& options, Generator& generator);
  ViewTransformOutput forward(const std::vector<Tensor>& features,
                              const std::vector<std::vector<Camera>>& cameras) override;
  void draw_parameters(Generator& generator) override;

 private:
  /// [cells,channels]
  Tensor position() const;

  int64_t rows_, columns_, channels_;
  const Tensor bev_embedding_, row_embed_, col_embed_;
  ModuleList<DeformableAttentionLayer> layers_;
  Conv2d conv_;
  BatchNorm bn_;
  RigCache<SeenCells> seen_;
};

}  // namespace bevgrad
