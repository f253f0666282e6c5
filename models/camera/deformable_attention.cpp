#include "models/camera/deformable_attention.h"

#include <algorithm>

#include "autograd/autocast.h"
#include "autograd/functions/deformable.h"
#include "autograd/functions/indexing.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/shape.h"
#include "autograd/functions/softmax.h"
#include "nn/deformable_offsets.h"

namespace bevgrad {
namespace {

// With augmented calibrations every sample has its own.
constexpr size_t kKeptSeenCells = 32;
constexpr double kEmbeddingDeviation = 0.02;

}  // namespace

SpatialCrossAttention::SpatialCrossAttention(int64_t in_channels, int64_t channels, int64_t heights,
                                             const DeformableAttentionOptions& options)
    : heads_(options.heads),
      heights_(heights),
      points_(options.points),
      value_proj_(in_channels, channels),
      sampling_offsets_(channels, options.heads * heights * options.points * 2),
      attention_weights_(channels, options.heads * heights * options.points),
      output_proj_(channels, channels) {
  check(channels % options.heads == 0, "deformable attention: {} channels are no multiple of {} heads", channels,
        options.heads);
  register_module("value_proj", value_proj_);
  register_module("sampling_offsets", sampling_offsets_);
  register_module("attention_weights", attention_weights_);
  register_module("output_proj", output_proj_);
}

void SpatialCrossAttention::draw_offsets(Generator& generator) {
  for (const Linear* linear : {&value_proj_, &output_proj_}) {
    init::xavier_uniform(linear->weight, generator);
    init::constant(linear->bias, 0);
  }
  for (const Linear* linear : {&sampling_offsets_, &attention_weights_}) {
    init::constant(linear->weight, 0);
    init::constant(linear->bias, 0);
  }
  init::deformable_offsets(sampling_offsets_.bias, heads_, heights_, points_);
}

Tensor SpatialCrossAttention::forward(const Tensor& query, const std::vector<Tensor>& features,
                                      const std::vector<GroupCells>& cells, const Tensor& shares) {
  return module_call(*this, [&] {
    const int64_t channels = query.size(2), places = heights_ * points_;
    const Tensor queries = reshape(query, {-1, channels});
    Tensor sum = zeros_like(queries);
    for (size_t g = 0; g < features.size(); ++g) {
      const GroupCells& seen = cells[g];
      if (seen.length == 0) continue;
      const int64_t images = features[g].size(0), height = features[g].size(2), width = features[g].size(3);
      const Tensor value = reshape(value_proj_.forward(permute(features[g], {0, 2, 3, 1})),
                                   {images, height * width, heads_, channels / heads_});
      const Tensor asking = index_select(queries, 0, seen.rows);

      // Offsets count pixels of the map.
      const Tensor pixel =
          ops::to(ops::to(from_values({1.0 / static_cast<double>(width), 1.0 / static_cast<double>(height)}, {2}),
                          query.dtype()),
                  query.device());
      const Shape by_place = {images, seen.length, heads_, heights_, points_, 2};
      const Tensor offsets = mul(reshape(sampling_offsets_.forward(asking), by_place), pixel);
      const Tensor around = ops::to(ops::reshape(seen.places, {images, seen.length, 1, heights_, 1, 2}), query.dtype());
      const Tensor locations = reshape(add(offsets, around), {images, seen.length, heads_, 1, places, 2});

      const Shape flat = {images, seen.length, heads_, places};
      const Tensor mask =
          ops::reshape(ops::contiguous(ops::expand(ops::reshape(seen.seen, {images, seen.length, 1, heights_, 1}),
                                                   {images, seen.length, heads_, heights_, points_})),
                       flat);
      const Tensor weights = softmax(reshape(attention_weights_.forward(asking), flat), 3, mask);
      const Tensor attended =
          multi_scale_deformable_attention(value, {Pair(static_cast<int>(height), static_cast<int>(width))}, locations,
                                           reshape(weights, {images, seen.length, heads_, 1, places}));
      sum = index_add(sum, 0, seen.rows, reshape(attended, {-1, channels}));
    }
    return output_proj_.forward(reshape(mul(sum, ops::to(shares, query.dtype())), query.sizes()));
  });
}

DeformableAttentionLayer::DeformableAttentionLayer(int64_t in_channels, int64_t channels, int64_t heights,
                                                   const DeformableAttentionOptions& options)
    : cross_attn_(in_channels, channels, heights, options),
      norm1_({channels}),
      norm2_({channels}),
      linear1_(channels, options.feedforward),
      linear2_(options.feedforward, channels) {
  register_module("cross_attn", cross_attn_);
  register_module("norm1", norm1_);
  register_module("linear1", linear1_);
  register_module("linear2", linear2_);
  register_module("norm2", norm2_);
}

Tensor DeformableAttentionLayer::forward(const Tensor& x, const Tensor& position, const std::vector<Tensor>& features,
                                         const std::vector<GroupCells>& cells, const Tensor& shares) {
  return module_call(*this, [&] {
    const Tensor y = norm1_.forward(add(x, cross_attn_.forward(add(x, position), features, cells, shares)));
    return norm2_.forward(add(y, linear2_.forward(relu(linear1_.forward(y)))));
  });
}

DeformableAttention::DeformableAttention(int64_t in_channels, int64_t out_channels, const BevPoints& points,
                                         const DeformableAttentionOptions& options, Generator& generator)
    : rows_(points.grid.rows()),
      columns_(points.grid.columns()),
      channels_(out_channels),
      bev_embedding_(register_parameter("bev_embedding", zeros({rows_ * columns_, out_channels}))),
      row_embed_(register_parameter("row_embed", zeros({rows_, out_channels / 2}))),
      col_embed_(register_parameter("col_embed", zeros({columns_, out_channels - out_channels / 2}))),
      conv_(out_channels, out_channels, {.kernel = 3, .padding = 1, .bias = false}),
      bn_(out_channels),
      seen_(
          [points](const Rig& rig) {
            return std::make_shared<const SeenCells>(seen_cells(project_points(points, rig.groups, rig.cameras)));
          },
          kKeptSeenCells) {
  for (int64_t i = 0; i < options.layers; ++i)
    layers_.emplace(in_channels, out_channels, static_cast<int64_t>(points.heights.size()), options);
  register_module("layers", layers_);
  register_module("conv", conv_);
  register_module("bn", bn_);
  init::reset_parameters_resnet(*this, generator);
  for (const auto& layer : layers_) layer->draw_offsets(generator);
}

void DeformableAttention::draw_parameters(Generator& generator) {
  for (const Tensor* embedding : {&bev_embedding_, &row_embed_, &col_embed_})
    init::normal(*embedding, 0, kEmbeddingDeviation, generator);
}

Tensor DeformableAttention::position() const {
  const int64_t half = channels_ / 2;
  const Tensor along_rows = expand(reshape(row_embed_, {rows_, 1, half}), {rows_, columns_, half});
  const Tensor along_columns =
      expand(reshape(col_embed_, {1, columns_, channels_ - half}), {rows_, columns_, channels_ - half});
  return reshape(cat({along_rows, along_columns}, 2), {rows_ * columns_, channels_});
}

ViewTransformOutput DeformableAttention::forward(const std::vector<Tensor>& features,
                                                 const std::vector<std::vector<Camera>>& cameras) {
  return module_call(*this, [&]() -> ViewTransformOutput {
    const AutocastGuard float32(DType::Float32);
    const auto samples = seen_.find_all(features, cameras);
    const auto batch = static_cast<int64_t>(samples.size());
    const int64_t cells = rows_ * columns_;
    const Device device = features[0].device();
    std::vector<Tensor> maps;
    std::vector<GroupCells> seen;
    for (size_t g = 0; g < features.size(); ++g) {
      maps.push_back(features[g].dtype() == DType::Float64 ? features[g] : to(features[g], DType::Float32));
      seen.push_back(group_cells(samples, g));
      for (Tensor* table : {&seen[g].rows, &seen[g].places, &seen[g].seen}) *table = ops::to(*table, device);
    }
    const Tensor shares = zeros({batch * cells, 1});
    for (int64_t n = 0; n < batch; ++n)
      std::ranges::copy(samples[static_cast<size_t>(n)]->shares, shares.data<float>() + n * cells);
    const Tensor shares_there = ops::to(shares, device);

    const Tensor position = this->position();
    Tensor x = expand(reshape(bev_embedding_, {1, cells, channels_}), {batch, cells, channels_});
    for (const auto& layer : layers_) x = layer->forward(x, position, maps, seen, shares_there);
    return conv_bn_relu(conv_, bn_, permute(reshape(x, {batch, rows_, columns_, channels_}), {0, 3, 1, 2}));
  });
}

}  // namespace bevgrad
