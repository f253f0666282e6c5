#include "tasks/vector_map/vector_head.h"

#include "autograd/autocast.h"
#include "autograd/functions.h"
#include "autograd/functions/deformable.h"
#include "nn/deformable_offsets.h"
#include "nn/init.h"
#include "nn/module_call.h"

namespace bevgrad {
namespace {

Tensor inverse_sigmoid(const Tensor& x) {
  const Tensor p = clamp(x, kLeastPlace, 1 - kLeastPlace);
  return log(div(p, add(neg(p), 1)));
}

}  // namespace

MapAttention::MapAttention(int64_t channels, int64_t heads, int64_t points)
    : heads_(heads),
      points_(points),
      value_proj_(channels, channels),
      sampling_offsets_(channels, heads * points * 2),
      attention_weights_(channels, heads * points),
      output_proj_(channels, channels) {
  register_module("value_proj", value_proj_);
  register_module("sampling_offsets", sampling_offsets_);
  register_module("attention_weights", attention_weights_);
  register_module("output_proj", output_proj_);
}

void MapAttention::draw_offsets(Generator& generator) {
  for (const Linear* linear : {&value_proj_, &output_proj_}) {
    init::xavier_uniform(linear->weight, generator);
    init::constant(linear->bias, 0);
  }
  init::constant(sampling_offsets_.weight, 0);
  init::constant(attention_weights_.weight, 0);
  init::constant(attention_weights_.bias, 0);
  init::deformable_offsets(sampling_offsets_.bias, heads_, 1, points_);
}

Tensor MapAttention::forward(const Tensor& query, const Tensor& reference, const Tensor& map, Pair size) {
  return module_call(*this, [&] {
    const int64_t n = query.size(0), length = query.size(1), channels = query.size(2);
    const Tensor value = reshape(value_proj_.forward(map), {n, map.size(1), heads_, channels / heads_});
    // Offsets count cells of the map.
    const Tensor cell = ops::to(
        from_values({1.0 / static_cast<double>(size.w), 1.0 / static_cast<double>(size.h)}, {2}), query.device());
    const Tensor offsets = mul(reshape(sampling_offsets_.forward(query), {n, length, heads_, 1, points_, 2}), cell);
    const Tensor places = add(reshape(reference, {n, length, 1, 1, 1, 2}), offsets);
    const Tensor weights = softmax(reshape(attention_weights_.forward(query), {n, length, heads_, points_}), 3);
    return output_proj_.forward(
        multi_scale_deformable_attention(value, {size}, places, reshape(weights, {n, length, heads_, 1, points_})));
  });
}

VectorDecoderLayer::VectorDecoderLayer(const VectorHeadOptions& o)
    : vector_attn_({.embed_dim = o.channels, .num_heads = o.heads, .batch_first = true}),
      point_attn_({.embed_dim = o.channels, .num_heads = o.heads, .batch_first = true}),
      cross_attn_(o.channels, o.heads, o.sampling_points),
      linear1_(o.channels, o.feedforward),
      linear2_(o.feedforward, o.channels),
      norm1_({o.channels}),
      norm2_({o.channels}),
      norm3_({o.channels}),
      norm4_({o.channels}) {
  register_module("vector_attn", vector_attn_);
  register_module("point_attn", point_attn_);
  register_module("cross_attn", cross_attn_);
  register_module("linear1", linear1_);
  register_module("linear2", linear2_);
  register_module("norm1", norm1_);
  register_module("norm2", norm2_);
  register_module("norm3", norm3_);
  register_module("norm4", norm4_);
}

Tensor VectorDecoderLayer::forward(const Tensor& input, const Tensor& position, const Tensor& reference,
                                   const Tensor& map, Pair size) {
  return module_call(*this, [&] {
    const int64_t n = input.size(0), vectors = input.size(1), points = input.size(2), width = input.size(3);
    const auto attended = [](MultiheadAttention& attention, const Tensor& x, const Tensor& place, const Shape& rows) {
      const Tensor q = reshape(add(x, place), rows);
      return reshape(attention.forward(q, q, reshape(x, rows)).output, x.sizes());
    };
    const std::vector<int> turned = {0, 2, 1, 3};
    const Tensor by_point = permute(input, turned), place_by_point = permute(position, turned);
    const Tensor among_vectors = attended(vector_attn_, by_point, place_by_point, {n * points, vectors, width});
    Tensor x = norm1_.forward(add(input, permute(among_vectors, turned)));
    x = norm2_.forward(add(x, attended(point_attn_, x, position, {n * vectors, points, width})));
    const Tensor query = reshape(add(x, position), {n, vectors * points, width});
    x = norm3_.forward(add(x, reshape(cross_attn_.forward(query, reference, map, size), x.sizes())));
    return norm4_.forward(add(x, linear2_.forward(relu(linear1_.forward(x)))));
  });
}

VectorHead::VectorHead(int64_t in_channels, const VectorHeadOptions& options, Generator& generator)
    : options_(options),
      input_proj_(in_channels, options.channels, {.kernel = 1}),
      instance_embedding_(options.max_vectors, 2 * options.channels),
      pts_embedding_(options.points, 2 * options.channels),
      reference_points_(options.channels, 2) {
  register_module("input_proj", input_proj_);
  register_module("instance_embedding", instance_embedding_);
  register_module("pts_embedding", pts_embedding_);
  register_module("reference_points", reference_points_);
  register_module("decoder", decoder_);
  register_module("cls_branches", cls_branches_);
  register_module("reg_branches", reg_branches_);
  std::vector<Linear*> class_outputs;
  for (int64_t i = 0; i < options.layers; ++i) {
    decoder_.layers.emplace(options);
    const auto add_branch = [&](ModuleList<Sequential<>>& branches, int64_t outputs) -> Linear& {
      Sequential<>& branch = branches.emplace();
      branch.emplace<Linear>(options.channels, options.channels);
      branch.append([](const Tensor& x) { return relu(x); });
      return branch.emplace<Linear>(options.channels, outputs);
    };
    class_outputs.push_back(&add_branch(cls_branches_, options.classes));
    add_branch(reg_branches_, 2);
  }
  init::reset_parameters(*this, generator);
  for (const auto& layer : decoder_.layers) layer->draw_offsets(generator);
  init::xavier_uniform(reference_points_.weight, generator);
  init::constant(reference_points_.bias, 0);
  for (Linear* output : class_outputs) init::constant(output->bias, init::prior_bias(0.01));
}

NamedTensors VectorHead::forward(const Tensor& feature) {
  return module_call(*this, [&] {
    const AutocastGuard float32(DType::Float32);
    const int64_t n = feature.size(0), vectors = options_.max_vectors, points = options_.points,
                  width = options_.channels;
    const Pair size(static_cast<int>(feature.size(2)), static_cast<int>(feature.size(3)));
    const Tensor projected = input_proj_.forward(to(feature, DType::Float32));
    const Tensor map = reshape(permute(projected, {0, 2, 3, 1}), {n, feature.size(2) * feature.size(3), width});

    const Tensor queries =
        add(unsqueeze(instance_embedding_.weight, 1), unsqueeze(pts_embedding_.weight, 0));  // [vectors,points,2E]
    const Shape sizes = {n, vectors, points, width};
    const Tensor own_position = narrow(queries, 2, 0, width);
    const Tensor position = expand(own_position, sizes);
    Tensor x = expand(narrow(queries, 2, width, width), sizes);
    Tensor reference = expand(reshape(sigmoid(reference_points_.forward(own_position)), {1, vectors * points, 2}),
                              {n, vectors * points, 2});

    std::vector<Tensor> logits, places;
    for (size_t i = 0; i < decoder_.layers.size(); ++i) {
      x = decoder_.layers[i].forward(x, position, reference, map, size);
      const Tensor move = reshape(reg_branches_[i].forward(x), {n, vectors * points, 2});
      const Tensor moved = sigmoid(add(inverse_sigmoid(reference), move));
      reference = detach(moved);
      if (!training() && i + 1 < decoder_.layers.size()) continue;
      logits.push_back(cls_branches_[i].forward(mean(x, {2})));
      places.push_back(reshape(moved, {n, vectors, points, 2}));
    }
    return NamedTensors{{kVectorLogits, stack(logits, 1)}, {kVectorPoints, stack(places, 1)}};
  });
}

}  // namespace bevgrad
