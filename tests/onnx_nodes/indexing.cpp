// Operators that choose and write elements by index. Theirs may be negative, ours count from 0.
#include "autograd/functions.h"
#include "onnx_nodes/node.h"

namespace bevgrad::testing::onnx_nodes {
namespace {

Tensor from_zero(const Tensor& indices, int64_t size) {
  const Tensor wide = to(indices, DType::Int64);
  return wide + to(lt(wide, 0.0), DType::Int64) * static_cast<double>(size);
}

Outputs gather_of(const Node& n) {
  const Tensor& x = n[0];
  const int axis = wrapped(n.integer("axis", 0), x.dim());
  Shape sizes(x.sizes().begin(), x.sizes().begin() + axis);
  sizes.insert(sizes.end(), n[1].sizes().begin(), n[1].sizes().end());
  sizes.insert(sizes.end(), x.sizes().begin() + axis + 1, x.sizes().end());
  return {reshape(index_select(x, axis, reshape(from_zero(n[1], x.size(axis)), {-1})), sizes)};
}

Outputs gather_elements(const Node& n) {
  const int axis = wrapped(n.integer("axis", 0), n[0].dim());
  return {gather(n[0], axis, from_zero(n[1], n[0].size(axis)))};
}

Outputs scatter_elements(const Node& n) {
  const int axis = wrapped(n.integer("axis", 0), n[0].dim());
  const Tensor index = from_zero(n[1], n[0].size(axis));
  const std::string reduction = n.text("reduction", "none");
  needs(reduction == "none" || reduction == "add", "scatter with " + reduction);
  return {reduction == "add" ? scatter_add(n[0], axis, index, n[2]) : scatter(n[0], axis, index, n[2])};
}

/// The places [count] among x's first dimensions, taken as one, that rows of indices [.., k] name.
Tensor flat_places(const Tensor& x, const Tensor& indices) {
  const int64_t k = indices.size(-1);
  Tensor places = zeros({indices.numel() / std::max<int64_t>(k, 1)}, {DType::Int64});
  const Tensor rows = reshape(indices, {-1, k});
  for (int d = 0; d < k; ++d) {
    places = places * static_cast<double>(x.size(d)) + from_zero(select(rows, 1, d), x.size(d));
  }
  return places;
}

Outputs gather_nd(const Node& n) {
  const auto batch = static_cast<int>(n.integer("batch_dims", 0));
  const Tensor& x = n[0];
  const Tensor& indices = n[1];
  const auto depth = static_cast<int>(indices.size(-1));
  Tensor rows = indices;
  for (int d = batch - 1; d >= 0; --d) {  // the batch's own numbers as indices
    Shape sizes(indices.sizes());
    sizes.back() = 1;
    Shape ramp(static_cast<size_t>(indices.dim()), 1);
    ramp[static_cast<size_t>(d)] = indices.size(d);
    const Tensor number = reshape(arange(static_cast<double>(indices.size(d)), {DType::Int64}), ramp);
    rows = cat({expand(number, sizes), rows}, -1);
  }
  const auto tail = x.sizes().begin() + batch + depth;
  Shape flat{numel(Shape(x.sizes().begin(), tail))}, sizes(indices.sizes().begin(), indices.sizes().end() - 1);
  flat.insert(flat.end(), tail, x.sizes().end());
  sizes.insert(sizes.end(), tail, x.sizes().end());
  return {reshape(index_select(reshape(x, flat), 0, flat_places(x, rows)), sizes)};
}

Outputs scatter_nd(const Node& n) {
  const Tensor& x = n[0];
  const auto tail = x.sizes().begin() + n[1].size(-1);
  const std::string reduction = n.text("reduction", "none");
  needs(reduction == "none" || reduction == "add", "scatter with " + reduction);
  const int64_t width = numel(Shape(tail, x.sizes().end()));
  const Tensor places = flat_places(x, n[1]), rows = reshape(x, {-1, width}), source = reshape(n[2], {-1, width});
  const Tensor wide = expand(unsqueeze(places, 1), source.sizes());
  const Tensor y = reduction == "add" ? index_add(rows, 0, places, source) : scatter(rows, 0, wide, source);
  return {reshape(y, x.sizes())};
}

Outputs one_hot_of(const Node& n) {
  const auto depth = static_cast<int64_t>(n[1].item());
  const int axis = wrapped(n.integer("axis", -1), n[0].dim() + 1);
  Shape ramp(static_cast<size_t>(n[0].dim() + 1), 1);
  ramp[static_cast<size_t>(axis)] = depth;
  const Tensor numbers = reshape(arange(static_cast<double>(depth), {DType::Int64}), ramp);
  const Tensor hot = eq(unsqueeze(from_zero(n[0], depth), axis), numbers);
  return {where(hot, select(n[2], 0, 1), select(n[2], 0, 0))};
}

}  // namespace

void add_indexing(Operators& all) {
  all["Gather"] = gather_of;
  all["GatherElements"] = gather_elements;
  all["GatherND"] = gather_nd;
  all["ScatterElements"] = scatter_elements;
  all["Scatter"] = scatter_elements;
  all["ScatterND"] = scatter_nd;
  all["OneHot"] = one_hot_of;
}

}  // namespace bevgrad::testing::onnx_nodes
