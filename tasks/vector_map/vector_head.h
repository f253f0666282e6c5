// Queries that find the map's vectors in the BEV feature, as MapTR (Liao et al., ICLR 2023) with the decoupled
// self-attention of MapTRv2 (Liao et al., 2024).
#pragma once
#include <memory>

#include "models/head.h"
#include "nn/attention.h"
#include "nn/conv.h"
#include "nn/embedding.h"
#include "nn/layer_norm.h"
#include "nn/linear.h"
#include "nn/sequential.h"
#include "tasks/vector_map/options.h"

namespace bevgrad {

/// The public names of its maps. In training they hold every layer's, in evaluation the last one's alone.
inline constexpr const char* kVectorLogits = "vector_logits";  ///< [N,layers,vectors,classes]
/// [N,layers,vectors,points,2]: x and y from 0 to 1 over pc_range.
inline constexpr const char* kVectorPoints = "vector_points";

/// How near to the edges a point may begin a move: a place p is moved in log(p / (1 - p)).
inline constexpr double kLeastPlace = 1e-5;

/// Deformable attention to one map: `value_proj`, `sampling_offsets`, `attention_weights`, `output_proj`, with the
/// names and first values of Deformable DETR (Zhu et al., 2021).
class MapAttention : public Module {
 public:
  MapAttention(int64_t channels, int64_t heads, int64_t points);
  /// query [N,L,E]; reference [N,L,2] from 0 to 1; map [N,H*W,E] of a feature of `size` -> [N,L,E]
  Tensor forward(const Tensor& query, const Tensor& reference, const Tensor& map, Pair size);
  /// Offsets that look outward, a direction a head, and even weights.
  void draw_offsets(Generator& generator);

 private:
  int64_t heads_, points_;
  Linear value_proj_, sampling_offsets_, attention_weights_, output_proj_;
};

/// Attention among the vectors' points of the same number (`vector_attn`), among the points of a vector (`point_attn`),
/// to the map (`cross_attn`), and `linear1`, ReLU, `linear2`; each is added, `norm1` to `norm4` follow.
class VectorDecoderLayer : public Module {
 public:
  explicit VectorDecoderLayer(const VectorHeadOptions& options);
  /// x and `position` [N,vectors,points,E]; the rest as in MapAttention.
  Tensor forward(const Tensor& x, const Tensor& position, const Tensor& reference, const Tensor& map, Pair size);
  void draw_offsets(Generator& generator) { cross_attn_.draw_offsets(generator); }

 private:
  MultiheadAttention vector_attn_, point_attn_;
  MapAttention cross_attn_;
  Linear linear1_, linear2_;
  LayerNorm norm1_, norm2_, norm3_, norm4_;
};

/// `input_proj` 1x1; queries are `instance_embedding` + `pts_embedding` (half position, half content);
/// `reference_points` says where they look first; `decoder.layers.{i}` with `reg_branches.{i}`, which move the points,
/// and `cls_branches.{i}`, which name a vector by the mean of its points. Computes in float32.
class VectorHead : public Head {
 public:
  VectorHead(int64_t in_channels, const VectorHeadOptions& options, Generator& generator);
  NamedTensors forward(const Tensor& feature) override;

 private:
  struct Decoder : Module {
    Decoder() { register_module("layers", layers); }
    ModuleList<VectorDecoderLayer> layers;
  };

  VectorHeadOptions options_;
  Conv2d input_proj_;
  Embedding instance_embedding_, pts_embedding_;
  Linear reference_points_;
  Decoder decoder_;
  ModuleList<Sequential<>> cls_branches_, reg_branches_;
};

}  // namespace bevgrad
