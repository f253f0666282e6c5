#include "models/camera/gkt.h"

#include <cmath>

#include "autograd/autocast.h"
#include "autograd/functions/indexing.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/reduce.h"
#include "autograd/functions/shape.h"
#include "autograd/functions/softmax.h"

namespace bevgrad {
namespace {

// With augmented calibrations every sample has its own.
constexpr size_t kKeptKernels = 32;
constexpr double kQueryDeviation = 0.02;

}  // namespace

Gkt::Gkt(int64_t in_channels, int64_t out_channels, const BevGrid& grid, const GktOptions& options,
         Generator& generator)
    : rows_(grid.rows()),
      columns_(grid.columns()),
      channels_(out_channels),
      heads_(options.heads),
      bev_embedding_(register_parameter("bev_embedding", zeros({rows_ * columns_, out_channels}))),
      place_bias_(register_parameter("place_bias", zeros({options.kernel.places(), options.heads}))),
      q_proj_(out_channels, out_channels),
      k_proj_(in_channels, out_channels),
      v_proj_(in_channels, out_channels),
      out_proj_(out_channels, out_channels),
      conv_(out_channels, out_channels, {.kernel = 3, .padding = 1, .bias = false}),
      bn_(out_channels),
      looks_([grid, kernel = options.kernel](
                 const Rig& rig) { return std::make_shared<const KernelLooks>(kernel_looks(grid, kernel, rig)); },
             kKeptKernels) {
  check(channels_ % heads_ == 0, "gkt: {} channels are no multiple of {} heads", channels_, heads_);
  register_module("q_proj", q_proj_);
  register_module("k_proj", k_proj_);
  register_module("v_proj", v_proj_);
  register_module("out_proj", out_proj_);
  register_module("conv", conv_);
  register_module("bn", bn_);
  init::reset_parameters_resnet(*this, generator);
  for (const Linear* linear : {&q_proj_, &k_proj_, &v_proj_, &out_proj_})
    init::xavier_uniform(linear->weight, generator);
}

void Gkt::draw_parameters(Generator& generator) {
  init::normal(bev_embedding_, 0, kQueryDeviation, generator);
  init::constant(place_bias_, 0);
}

Tensor Gkt::projected(const Linear& projection, const std::vector<Tensor>& features) const {
  std::vector<Tensor> rows;
  for (const Tensor& x : features) {
    const Tensor map = x.dtype() == DType::Float64 ? x : to(x, DType::Float32);
    rows.push_back(reshape(projection.forward(permute(map, {0, 2, 3, 1})), {-1, channels_}));
  }
  return cat(rows, 0);
}

ViewTransformOutput Gkt::forward(const std::vector<Tensor>& features, const std::vector<std::vector<Camera>>& cameras) {
  return module_call(*this, [&]() -> ViewTransformOutput {
    const AutocastGuard float32(DType::Float32);
    KernelBatch kernels = kernel_batch(looks_.find_all(features, cameras));
    for (Tensor* table : {&kernels.rows, &kernels.places, &kernels.seen})
      *table = ops::to(*table, features[0].device());
    const auto batch = static_cast<int64_t>(cameras.size());
    const int64_t cells = rows_ * columns_, width = channels_ / heads_;
    const Shape by_pixel = {batch, cells, kernels.length, heads_, width};
    const auto within_kernels = [&](const Linear& projection) {
      return reshape(index_select(projected(projection, features), 0, kernels.rows), by_pixel);
    };
    const Tensor queries = mul(reshape(q_proj_.forward(bev_embedding_), {1, cells, 1, heads_, width}),
                               1 / std::sqrt(static_cast<double>(width)));
    const Shape scores_sizes = {batch, cells, kernels.length, heads_};
    const Tensor bias = reshape(index_select(place_bias_, 0, kernels.places), scores_sizes);
    const Tensor scores = add(sum(mul(within_kernels(k_proj_), queries), {4}), bias);
    const Tensor seen = ops::contiguous(ops::expand(kernels.seen, scores_sizes));
    const Tensor weights = reshape(softmax(scores, 2, seen), {batch, cells, kernels.length, heads_, 1});
    const Tensor attended = reshape(sum(mul(within_kernels(v_proj_), weights), {2}), {batch, cells, channels_});
    const Tensor bev = add(out_proj_.forward(attended), bev_embedding_);
    return conv_bn_relu(conv_, bn_, permute(reshape(bev, {batch, rows_, columns_, channels_}), {0, 3, 1, 2}));
  });
}

}  // namespace bevgrad
