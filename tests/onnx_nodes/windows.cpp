// Operators with sliding windows: convolutions and pools of one to three dimensions.
#include <cmath>
#include <limits>

#include "autograd/functions.h"
#include "onnx_nodes/node.h"

namespace bevgrad::testing::onnx_nodes {
namespace {

/// What such nodes say, one entry for each spatial dimension.
struct Window {
  std::vector<int64_t> kernel, strides, dilations, before, after;

  size_t dims() const { return kernel.size(); }
  bool symmetric() const { return before == after; }
  int one(const std::vector<int64_t>& values) const { return static_cast<int>(values[0]); }
  Pair pair(const std::vector<int64_t>& values) const {
    return {static_cast<int>(values[0]), static_cast<int>(values[1])};
  }
  Triple triple(const std::vector<int64_t>& values) const {
    return {static_cast<int>(values[0]), static_cast<int>(values[1]), static_cast<int>(values[2])};
  }
};

/// `weight_kernel`: what holds where the node does not say it.
Window window(const Node& n, const std::vector<int64_t>& weight_kernel) {
  const std::vector<int64_t> kernel = n.integers("kernel_shape", weight_kernel);
  const size_t dims = kernel.size();
  const std::vector<int64_t> ones(dims, 1);
  Window w{kernel, n.integers("strides", ones), n.integers("dilations", ones), {}, {}};
  const std::vector<int64_t> pads = n.integers("pads", std::vector<int64_t>(2 * dims, 0));
  w.before.assign(pads.begin(), pads.begin() + static_cast<int64_t>(dims));
  w.after.assign(pads.begin() + static_cast<int64_t>(dims), pads.end());
  const std::string automatic = n.text("auto_pad", "NOTSET");
  if (!automatic.starts_with("SAME")) return w;
  for (size_t d = 0; d < dims; ++d) {
    const int64_t in = n[0].size(static_cast<int>(d) + 2), out = (in + w.strides[d] - 1) / w.strides[d];
    const int64_t total = std::max<int64_t>((out - 1) * w.strides[d] + (w.kernel[d] - 1) * w.dilations[d] + 1 - in, 0);
    w.before[d] = automatic == "SAME_UPPER" ? total / 2 : total - total / 2;
    w.after[d] = total - w.before[d];
  }
  return w;
}

std::vector<int64_t> kernel_of(const Tensor& weight) {
  return {weight.sizes().begin() + 2, weight.sizes().end()};
}

/// x with the window's padding around it, which the window then no longer has.
Tensor padded(const Tensor& x, Window& w, double value) {
  std::vector<int64_t> widths;
  for (size_t d = w.dims(); d-- > 0;) {
    widths.push_back(w.before[d]);
    widths.push_back(w.after[d]);
  }
  w.before.assign(w.dims(), 0);
  w.after.assign(w.dims(), 0);
  return pad(x, widths, PadMode::Constant, value);
}

Outputs conv(const Node& n) {
  Window w = window(n, kernel_of(n[1]));
  const Tensor x = w.symmetric() ? n[0] : padded(n[0], w, 0);
  const auto groups = static_cast<int>(n.integer("group", 1));
  const Tensor bias = n.optional(2);
  if (w.dims() == 1) {
    return {conv1d(x, n[1], bias, {w.one(w.strides), w.one(w.before), w.one(w.dilations), groups})};
  }
  if (w.dims() == 2) {
    return {conv2d(x, n[1], bias, {w.pair(w.strides), w.pair(w.before), w.pair(w.dilations), groups})};
  }
  return {conv3d(x, n[1], bias, {w.triple(w.strides), w.triple(w.before), w.triple(w.dilations), groups})};
}

Tensor transposed(const Tensor& x, const Tensor& weight, const Tensor& bias, const Window& w,
                  const std::vector<int64_t>& more, int groups) {
  if (w.dims() == 1) {
    return conv_transpose1d(x, weight, bias,
                            {w.one(w.strides), w.one(w.before), w.one(more), groups, w.one(w.dilations)});
  }
  if (w.dims() == 2) {
    return conv_transpose2d(x, weight, bias,
                            {w.pair(w.strides), w.pair(w.before), w.pair(more), groups, w.pair(w.dilations)});
  }
  return conv_transpose3d(x, weight, bias,
                          {w.triple(w.strides), w.triple(w.before), w.triple(more), groups, w.triple(w.dilations)});
}

Outputs conv_transpose(const Node& n) {
  Window w = window(n, kernel_of(n[1]));
  const size_t dims = w.dims();
  const auto groups = static_cast<int>(n.integer("group", 1));
  const std::vector<int64_t> none(dims, 0), more = n.integers("output_padding", none);
  const std::string automatic = n.text("auto_pad", "NOTSET");
  std::vector<int64_t> sizes = n.integers("output_shape", {});
  if (automatic.starts_with("SAME") && sizes.empty()) {
    for (size_t d = 0; d < dims; ++d) sizes.push_back(n[0].size(static_cast<int>(d) + 2) * w.strides[d]);
  }
  if (sizes.empty() && w.symmetric()) return {transposed(n[0], n[1], n.optional(2), w, more, groups)};

  // Without padding, and cut to the size: what is cut off is the padding.
  const Window asked = w;
  w.before = w.after = none;
  Tensor y = transposed(n[0], n[1], {}, w, none, groups);
  for (size_t d = 0; d < dims; ++d) {
    const int dim = static_cast<int>(d) + 2;
    int64_t before = asked.before[d], size = y.size(dim) + more[d] - before - asked.after[d];
    if (!sizes.empty()) {
      const int64_t total = y.size(dim) + more[d] - sizes[d];
      const auto half = static_cast<int64_t>(std::floor(static_cast<double>(total) / 2));
      before = automatic == "SAME_UPPER" ? half : total - half;
      size = sizes[d];
    }
    std::vector<int64_t> widths(2 * (dims - d), 0);
    widths[widths.size() - 2] = -before;
    widths[widths.size() - 1] = size - (y.size(dim) - before);
    y = pad(y, widths);
  }
  if (!n.has(2)) return {y};
  Shape channels(dims + 2, 1);
  channels[1] = y.size(1);
  return {y + reshape(n[2], channels)};
}

/// A pool of one or three dimensions by two-dimensional ones.
template <class Pool2d>
Tensor pooled(const Tensor& x, const Window& w, Pool2d pool) {
  if (w.dims() == 2) return pool(x, w.pair(w.kernel), w.pair(w.strides), w.pair(w.before), w.pair(w.dilations));
  if (w.dims() == 1) {
    return squeeze(pool(unsqueeze(x, 2), Pair(1, w.one(w.kernel)), Pair(1, w.one(w.strides)), Pair(0, w.one(w.before)),
                        Pair(1, w.one(w.dilations))),
                   2);
  }
  const int64_t batch = x.size(0), channels = x.size(1), depth = x.size(2);
  const auto rest = [](const std::vector<int64_t>& v) { return Pair(static_cast<int>(v[1]), static_cast<int>(v[2])); };
  const auto first = [](const std::vector<int64_t>& v, int other) { return Pair(static_cast<int>(v[0]), other); };
  const Tensor planes = pool(reshape(x, {batch * channels, depth, x.size(3), x.size(4)}), rest(w.kernel),
                             rest(w.strides), rest(w.before), rest(w.dilations));
  const int64_t height = planes.size(2), width = planes.size(3);
  const Tensor columns = pool(reshape(planes, {batch, channels, depth, height * width}), first(w.kernel, 1),
                              first(w.strides, 1), first(w.before, 0), first(w.dilations, 1));
  return reshape(columns, {batch, channels, columns.size(2), height, width});
}

Outputs max_pool(const Node& n) {
  Window w = window(n, {});
  needs(!n.wants(1), "the places of the maxima");
  const bool ceil = n.integer("ceil_mode", 0) != 0;
  const Tensor x = w.symmetric() ? n[0] : padded(n[0], w, -std::numeric_limits<double>::infinity());
  return {pooled(x, w, [&](const Tensor& y, Pair kernel, Pair stride, Pair padding, Pair dilation) {
    return max_pool2d(y, {kernel, stride, padding, dilation, ceil});
  })};
}

Tensor averaged(const Tensor& x, const Window& w, bool ceil, bool counts) {
  return pooled(x, w, [&](const Tensor& y, Pair kernel, Pair stride, Pair padding, Pair) {
    return avg_pool2d(y, {kernel, stride, padding, ceil, counts, {}});
  });
}

Outputs average_pool(const Node& n) {
  Window w = window(n, {});
  const bool ceil = n.integer("ceil_mode", 0) != 0, counts = n.integer("count_include_pad", 0) != 0;
  for (const int64_t dilation : w.dilations) needs(dilation == 1, "mean pooling with dilation");
  needs(w.dims() < 3 || !ceil, "mean pooling of three dimensions with ceil_mode");
  if (w.symmetric() && (w.dims() < 3 || counts)) return {averaged(n[0], w, ceil, counts)};
  if (counts) return {averaged(padded(n[0], w, 0), w, ceil, true)};
  needs(!ceil, "mean pooling with uneven padding and ceil_mode");
  Window same = w;
  const Tensor x = padded(n[0], w, 0), inside = padded(ones_like(n[0]), same, 0);
  return {averaged(x, w, false, true) / averaged(inside, w, false, true)};
}

Outputs lp_pool(const Node& n) {
  Window w = window(n, {});
  for (const int64_t dilation : w.dilations) needs(dilation == 1, "mean pooling with dilation");
  needs(n.integer("ceil_mode", 0) == 0, "sums over windows that reach over the end");
  const auto p = static_cast<double>(n.integer("p", 2));
  double places = 1;
  for (const int64_t size : w.kernel) places *= static_cast<double>(size);
  const Tensor x = padded(pow(abs(n[0]), p), w, 0);
  return {pow(averaged(x, w, false, true) * places, 1 / p)};
}

std::vector<int> spatial(const Tensor& x) {
  std::vector<int> dims;
  for (int d = 2; d < x.dim(); ++d) dims.push_back(d);
  return dims;
}

Outputs global_max(const Node& n) {
  Tensor y = n[0];
  for (const int d : spatial(y)) y = max(y, d, true);
  return {y};
}

Outputs deform_conv(const Node& n) {
  Window w = window(n, kernel_of(n[1]));
  needs(w.dims() == 2, "deformable convolution of other than two dimensions");
  needs(w.symmetric(), "deformable convolution with uneven padding");
  return {deform_conv2d(n[0], n[2], n[1], n.optional(3),
                        {w.pair(w.strides), w.pair(w.before), w.pair(w.dilations), n.optional(4)})};
}

Outputs column_to_image(const Node& n) {
  const std::vector<int64_t> size = integers_of(n[1]), block = integers_of(n[2]);
  Window w = window(n, block);
  needs(w.dims() == 2, "fold of other than two dimensions");
  const Pair whole(static_cast<int>(size[0]), static_cast<int>(size[1]));
  needs(w.symmetric(), "fold with uneven padding");
  return {fold(n[0], whole, w.pair(block), w.pair(w.dilations), w.pair(w.before), w.pair(w.strides))};
}

}  // namespace

void add_windows(Operators& all) {
  all["Conv"] = conv;
  all["ConvTranspose"] = conv_transpose;
  all["MaxPool"] = max_pool;
  all["AveragePool"] = average_pool;
  all["LpPool"] = lp_pool;
  all["GlobalAveragePool"] = [](const Node& n) -> Outputs { return {mean(n[0], spatial(n[0]), true)}; };
  all["GlobalMaxPool"] = global_max;
  all["DeformConv"] = deform_conv;
  all["Col2Im"] = column_to_image;
}

}  // namespace bevgrad::testing::onnx_nodes
