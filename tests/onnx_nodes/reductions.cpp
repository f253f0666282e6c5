// Operators that take dimensions away, and sums and maxima along one.
#include <algorithm>
#include <functional>

#include "autograd/functions.h"
#include "onnx_nodes/node.h"

namespace bevgrad::testing::onnx_nodes {
namespace {

/// Over which dimensions, and whether they stay.
struct Reduced {
  std::vector<int> dims;
  bool keeps = true;
  bool noop = false;
};

Reduced reduced(const Node& n) {
  const int rank = n[0].dim();
  Reduced result;
  result.dims = wrapped(n.integers("axes", 1, {}), rank);
  result.keeps = n.integer("keepdims", 1) != 0;
  if (!result.dims.empty()) return result;
  result.noop = n.integer("noop_with_empty_axes", 0) != 0;
  for (int d = 0; d < rank; ++d) result.dims.push_back(d);
  return result;
}

/// `before` is applied to the elements even where nothing is summed up, `after` to the result.
template <class Reduce>
Operator over_dims(Reduce reduce) {
  return [=](const Node& n) -> Outputs {
    const Reduced over = reduced(n);
    if (over.noop || over.dims.empty()) return {reduce(unsqueeze(n[0], 0), std::vector<int>{0}, false)};
    return {reduce(n[0], over.dims, over.keeps)};
  };
}

/// By a function of one dimension.
template <class Reduce>
Operator dim_by_dim(Reduce reduce) {
  return [=](const Node& n) -> Outputs {
    Reduced over = reduced(n);
    if (over.noop || over.dims.empty()) return {reduce(unsqueeze(n[0], 0), 0, false)};
    std::ranges::sort(over.dims, std::greater());
    Tensor result = n[0];
    for (const int dim : over.dims) result = reduce(result, dim, over.keeps);
    return {result};
  };
}

using Dims = std::vector<int>;

template <class Place>
Operator place_of(Place place) {
  return [=](const Node& n) -> Outputs {
    const int axis = wrapped(n.integer("axis", 0), n[0].dim());
    const bool keeps = n.integer("keepdims", 1) != 0;
    if (n.integer("select_last_index", 0) == 0) return {place(n[0], axis, keeps)};
    const auto last = static_cast<double>(n[0].size(axis) - 1);
    return {neg(place(flip(n[0], {axis}), axis, keeps)) + last};
  };
}

Outputs running_sum(const Node& n) {
  const int axis = wrapped(integers_of(n[1]).at(0), n[0].dim());
  const bool backwards = n.integer("reverse", 0) != 0;
  const Tensor x = backwards ? flip(n[0], {axis}) : n[0];
  Tensor sums = to(cumsum(x, axis), x.dtype());
  if (n.integer("exclusive", 0) != 0) sums = sums - x;
  return {backwards ? flip(sums, {axis}) : sums};
}

Outputs hardmax(const Node& n) {
  const int rank = n[0].dim();
  const int axis = wrapped(n.integer("axis", n.opset < 13 ? 1 : -1), rank);
  if (n.opset < 13) needs(axis == rank - 1, "hardmax over several dimensions");
  const Tensor x = transpose(n[0], axis, rank - 1);
  const Tensor hot = to(one_hot(argmax(x, rank - 1), x.size(rank - 1)), x.dtype());
  return {transpose(hot, axis, rank - 1)};
}

/// Before version 13 a softmax is over all dimensions from `axis` on.
template <class Function>
Operator soft(Function function) {
  return [=](const Node& n) -> Outputs {
    const int rank = n[0].dim();
    const int axis = wrapped(n.integer("axis", n.opset < 13 ? 1 : -1), rank);
    if (n.opset >= 13) return {function(n[0], axis)};
    const auto middle = n[0].sizes().begin() + axis;
    const Shape rows{numel(Shape(n[0].sizes().begin(), middle)), numel(Shape(middle, n[0].sizes().end()))};
    return {reshape(function(reshape(n[0], rows), 1), n[0].sizes())};
  };
}

Outputs largest(const Node& n) {
  const int64_t count = n.has(1) ? integers_of(n[1]).at(0) : n.integer("k", 0);
  const auto [values, indices] =
      topk(n[0], count, wrapped(n.integer("axis", -1), n[0].dim()), n.integer("largest", 1) != 0);
  return {values, indices};
}

}  // namespace

void add_reductions(Operators& all) {
  all["ReduceSum"] = over_dims([](const Tensor& x, const Dims& d, bool k) { return sum(x, d, k); });
  all["ReduceMean"] = over_dims([](const Tensor& x, const Dims& d, bool k) { return mean(x, d, k); });
  all["ReduceL1"] = over_dims([](const Tensor& x, const Dims& d, bool k) { return norm(x, 1, d, k); });
  all["ReduceL2"] = over_dims([](const Tensor& x, const Dims& d, bool k) { return norm(x, 2, d, k); });
  all["ReduceLogSum"] = over_dims([](const Tensor& x, const Dims& d, bool k) { return log(sum(x, d, k)); });
  all["ReduceSumSquare"] = over_dims([](const Tensor& x, const Dims& d, bool k) { return sum(x * x, d, k); });
  all["ReduceMax"] = dim_by_dim([](const Tensor& x, int d, bool k) { return max(x, d, k); });
  all["ReduceMin"] = dim_by_dim([](const Tensor& x, int d, bool k) { return min(x, d, k); });
  all["ReduceProd"] = dim_by_dim([](const Tensor& x, int d, bool k) { return prod(x, d, k); });
  all["ReduceLogSumExp"] = dim_by_dim([](const Tensor& x, int d, bool k) { return logsumexp(x, d, k); });
  all["ArgMax"] = place_of(argmax);
  all["ArgMin"] = place_of(argmin);
  all["CumSum"] = running_sum;
  all["Hardmax"] = hardmax;
  all["Softmax"] = soft([](const Tensor& x, int dim) { return softmax(x, dim); });
  all["LogSoftmax"] = soft([](const Tensor& x, int dim) { return log_softmax(x, dim); });
  all["TopK"] = largest;
}

}  // namespace bevgrad::testing::onnx_nodes
