// Operators that rearrange elements or make tensors of sizes and numbers.
#include <algorithm>

#include "autograd/functions.h"
#include "onnx_nodes/node.h"

namespace bevgrad::testing::onnx_nodes {
namespace {

Outputs reshape_of(const Node& n) {
  Shape sizes = n.integers("shape", 1, {});
  if (n.integer("allowzero", 0) == 0) {
    for (size_t d = 0; d < sizes.size(); ++d) {
      if (sizes[d] == 0) sizes[d] = n[0].size(static_cast<int>(d));
    }
  }
  return {reshape(n[0], sizes)};
}

Outputs flatten(const Node& n) {
  const int axis = wrapped(n.integer("axis", 1), n[0].dim());
  const auto middle = n[0].sizes().begin() + axis;
  return {reshape(n[0], {numel(Shape(n[0].sizes().begin(), middle)), numel(Shape(middle, n[0].sizes().end()))})};
}

Outputs transpose_of(const Node& n) {
  const int rank = n[0].dim();
  std::vector<int64_t> reversed;
  for (int d = rank - 1; d >= 0; --d) reversed.push_back(d);
  return {permute(n[0], wrapped(n.integers("perm", reversed), rank))};
}

Outputs squeeze_of(const Node& n) {
  const int rank = n[0].dim();
  std::vector<int> axes = wrapped(n.integers("axes", 1, {}), rank);
  if (axes.empty()) {
    for (int d = 0; d < rank; ++d) {
      if (n[0].size(d) == 1) axes.push_back(d);
    }
  }
  std::ranges::sort(axes, std::greater());
  Tensor result = n[0];
  for (const int axis : axes) result = squeeze(result, axis);
  return {result};
}

Outputs unsqueeze_of(const Node& n) {
  const std::vector<int64_t> given = n.integers("axes", 1, {});
  std::vector<int> axes = wrapped(given, n[0].dim() + static_cast<int>(given.size()));
  std::ranges::sort(axes);
  Tensor result = n[0];
  for (const int axis : axes) result = unsqueeze(result, axis);
  return {result};
}

Outputs split_of(const Node& n) {
  const int axis = wrapped(n.integer("axis", 0), n[0].dim());
  const std::vector<int64_t> sizes = n.integers("split", 1, {});
  if (!sizes.empty()) return split(n[0], sizes, axis);
  const int64_t pieces = n.integer("num_outputs", static_cast<int64_t>(n.outputs()));
  return split(n[0], (n[0].size(axis) + pieces - 1) / pieces, axis);
}

Outputs slice_of(const Node& n) {
  const int rank = n[0].dim();
  const std::vector<int64_t> starts = n.integers("starts", 1, {}), ends = n.integers("ends", 2, {});
  std::vector<int64_t> first_axes;
  for (size_t i = 0; i < starts.size(); ++i) first_axes.push_back(static_cast<int64_t>(i));
  const std::vector<int> axes = wrapped(n.integers("axes", 3, first_axes), rank);
  const std::vector<int64_t> steps = n.has(4) ? integers_of(n[4]) : std::vector<int64_t>(starts.size(), 1);
  Tensor result = n[0];
  for (size_t i = 0; i < starts.size(); ++i) {
    if (steps[i] > 0) {
      result = slice(result, axes[i], starts[i], ends[i], steps[i]);
      continue;
    }
    // Backwards: the reversed dimension from size - 1 - start on.
    const int64_t size = result.size(axes[i]);
    const auto mirrored = [&](int64_t at) {
      return size - 1 - std::clamp<int64_t>(at < 0 ? at + size : at, -1, size - 1);
    };
    const int64_t end = ends[i] < -size ? size : mirrored(ends[i]);
    result = slice(flip(result, {axes[i]}), axes[i], mirrored(starts[i]), end, -steps[i]);
  }
  return {result};
}

Outputs pad_of(const Node& n) {
  const int rank = n[0].dim();
  const std::vector<int64_t> widths = n.integers("pads", 1, n.integers("paddings", {}));
  std::vector<int> axes;
  if (n.has(3)) {
    axes = wrapped(integers_of(n[3]), rank);
  } else {
    for (int d = 0; d < rank; ++d) axes.push_back(d);
  }
  std::vector<int64_t> ours(static_cast<size_t>(2 * rank), 0);
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto place = static_cast<size_t>(2 * (rank - 1 - axes[i]));
    ours[place] = widths[i];
    ours[place + 1] = widths[axes.size() + i];
  }
  const std::string mode = n.text("mode", "constant");
  needs(mode != "wrap", "circular padding");
  const double value = n.has(2) ? n[2].item() : n.number("value", 0);
  while (mode != "constant" && ours.size() >= 2 && ours[ours.size() - 1] == 0 && ours[ours.size() - 2] == 0) {
    ours.resize(ours.size() - 2);
  }
  return {pad(n[0], ours,
              mode == "edge"      ? PadMode::Replicate
              : mode == "reflect" ? PadMode::Reflect
                                  : PadMode::Constant,
              value)};
}

Outputs expand_of(const Node& n) {
  return {expand(n[0], broadcast_shapes("Expand", n[0].sizes(), integers_of(n[1])))};
}

Outputs tile(const Node& n) {
  return {repeat(n[0], integers_of(n[1]))};
}

Outputs concat(const Node& n) {
  return {cat(n.inputs(), wrapped(n.integer("axis", 1), n[0].dim()))};
}

Tensor of_integers(const std::vector<int64_t>& values) {
  return from_values(std::vector<double>(values.begin(), values.end()), {static_cast<int64_t>(values.size())},
                     {DType::Int64});
}

Outputs shape(const Node& n) {
  const int64_t rank = n[0].dim();
  const auto bound = [&](const char* name, int64_t otherwise) {
    const int64_t at = n.integer(name, otherwise);
    return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank);
  };
  const int64_t start = bound("start", 0), end = std::max(bound("end", rank), start);
  return {of_integers({n[0].sizes().begin() + start, n[0].sizes().begin() + end})};
}

Outputs constant(const Node& n) {
  needs(!n.has("value_string") && !n.has("value_strings") && !n.has("sparse_value"), "strings and sparse tensors");
  if (n.has("value")) return {n.tensor("value")};
  if (n.has("value_float")) return {scalar(n.number("value_float", 0))};
  if (n.has("value_int")) return {scalar(static_cast<double>(n.integer("value_int", 0)), {DType::Int64})};
  if (n.has("value_ints")) return {of_integers(n.integers("value_ints", {}))};
  const std::vector<double> values = n.numbers("value_floats");
  return {from_values(values, {static_cast<int64_t>(values.size())})};
}

Outputs constant_of_shape(const Node& n) {
  const Tensor value = n.has("value") ? n.tensor("value") : scalar(0);
  return {full(integers_of(n[0]), value.item(), {value.dtype()})};
}

Outputs eye_like(const Node& n) {
  const DType dtype = n.has("dtype") ? dtype_of_onnx(static_cast<int>(n.integer("dtype", 1))) : n[0].dtype();
  const int64_t rows = n[0].size(0), columns = n[0].size(1), above = n.integer("k", 0);
  const Tensor row = unsqueeze(arange(static_cast<double>(rows), {DType::Int64}), 1);
  return {to(eq(arange(static_cast<double>(columns), {DType::Int64}), row + static_cast<double>(above)), dtype)};
}

Outputs triangle(const Node& n) {
  const Tensor& x = n[0];
  const double above = n.has(1) ? n[1].item() : 0;
  const Tensor row = unsqueeze(arange(static_cast<double>(x.size(-2)), {DType::Int64}), 1) + above;
  const Tensor column = arange(static_cast<double>(x.size(-1)), {DType::Int64});
  const bool upper = n.integer("upper", 1) != 0;
  return {where(upper ? ge(column, row) : le(column, row), x, zeros_like(x))};
}

Outputs range(const Node& n) {
  return {arange(n[0].item(), n[1].item(), n[2].item(), {n[0].dtype()})};
}

Outputs depth_to_space(const Node& n) {
  const Tensor& x = n[0];
  const int64_t b = n.integer("blocksize", 1), channels = x.size(1) / (b * b), height = x.size(2), width = x.size(3);
  const Tensor y = n.text("mode", "DCR") == "DCR"
                       ? permute(reshape(x, {x.size(0), b, b, channels, height, width}), {0, 3, 4, 1, 5, 2})
                       : permute(reshape(x, {x.size(0), channels, b, b, height, width}), {0, 1, 4, 2, 5, 3});
  return {reshape(y, {x.size(0), channels, height * b, width * b})};
}

Outputs space_to_depth(const Node& n) {
  const Tensor& x = n[0];
  const int64_t b = n.integer("blocksize", 1), height = x.size(2) / b, width = x.size(3) / b;
  const Tensor y = reshape(x, {x.size(0), x.size(1), height, b, width, b});
  const bool channels_first = n.text("mode", "DCR") == "CRD";
  return {reshape(permute(y, channels_first ? std::vector<int>{0, 1, 3, 5, 2, 4} : std::vector<int>{0, 3, 5, 1, 2, 4}),
                  {x.size(0), x.size(1) * b * b, height, width})};
}

Outputs dropout_of(const Node& n) {
  const bool training = n.has(2) && n[2].item() != 0;
  const double ratio = n.has(1) ? n[1].item() : n.number("ratio", 0.5);
  needs(!training || ratio == 0, "the draws of NumPy's generator");
  Generator none;
  return {training ? dropout(n[0], 0, none) : n[0], ones(n[0].sizes(), {DType::Bool})};
}

}  // namespace

void add_shapes(Operators& all) {
  all["Reshape"] = reshape_of;
  all["Flatten"] = flatten;
  all["Transpose"] = transpose_of;
  all["Squeeze"] = squeeze_of;
  all["Unsqueeze"] = unsqueeze_of;
  all["Split"] = split_of;
  all["Slice"] = slice_of;
  all["Pad"] = pad_of;
  all["Expand"] = expand_of;
  all["Tile"] = tile;
  all["Concat"] = concat;
  all["Shape"] = shape;
  all["Size"] = [](const Node& n) -> Outputs { return {scalar(static_cast<double>(n[0].numel()), {DType::Int64})}; };
  all["Constant"] = constant;
  all["ConstantOfShape"] = constant_of_shape;
  all["EyeLike"] = eye_like;
  all["Trilu"] = triangle;
  all["Range"] = range;
  all["DepthToSpace"] = depth_to_space;
  all["SpaceToDepth"] = space_to_depth;
  all["Dropout"] = dropout_of;
}

}  // namespace bevgrad::testing::onnx_nodes
