// Operators that sample maps at other places.
#include <cmath>

#include "autograd/functions.h"
#include "onnx_nodes/node.h"

namespace bevgrad::testing::onnx_nodes {
namespace {

struct Target {
  std::vector<int64_t> sizes;  // of the whole tensor
  bool exact = true;           // whether sizes over sizes is the scale
};

Target target_of(const Node& n, const std::vector<double>& scales, const std::vector<int64_t>& sizes,
                 const std::vector<int>& axes) {
  Target target{n[0].sizes(), true};
  for (size_t i = 0; i < axes.size(); ++i) {
    auto& size = target.sizes[static_cast<size_t>(axes[i])];
    if (!sizes.empty()) {
      size = sizes[i];
    } else {
      const double wanted = static_cast<double>(size) * scales[i];
      size = static_cast<int64_t>(std::floor(wanted));
      target.exact = target.exact && std::abs(wanted - static_cast<double>(size)) < 1e-6;
    }
  }
  return target;
}

InterpolateOptions rule(const Node& n, bool shrinks) {
  const std::string mode = n.text("mode", "nearest"), places = n.text("coordinate_transformation_mode", "half_pixel");
  const bool antialias = n.integer("antialias", 0) != 0;
  if (mode == "nearest") {
    const std::string rounding = n.text("nearest_mode", "round_prefer_floor");
    if (places == "asymmetric" && rounding == "floor") return {InterpolateMode::Nearest};
    needs(places == "half_pixel" && rounding == "round_prefer_ceil", "nearest by " + places + " and " + rounding);
    return {InterpolateMode::NearestExact};
  }
  needs(places == "half_pixel" || places == "align_corners" || places == "pytorch_half_pixel", "places by " + places);
  const bool corners = places == "align_corners";
  if (mode == "linear") {
    needs(!antialias || !shrinks, "another kernel than PyTorch's for maps that shrink");
    return {InterpolateMode::Bilinear, corners, antialias};
  }
  // PyTorch's cubic kernel depends on antialiasing; entries beyond the border are left out there, and only there.
  const double a = n.number("cubic_coeff_a", -0.75);
  const bool excludes = n.integer("exclude_outside", 0) != 0;
  needs(antialias ? std::abs(a + 0.5) < 1e-6 && (excludes || !shrinks) : std::abs(a + 0.75) < 1e-6 && !excludes,
        "this cubic kernel");
  return {InterpolateMode::Bicubic, corners, antialias};
}

Outputs resized(const Node& n, const std::vector<double>& scales, const std::vector<int64_t>& sizes) {
  const int rank = n[0].dim();
  std::vector<int64_t> all;
  for (int d = 0; d < rank; ++d) all.push_back(d);
  const std::vector<int> axes = wrapped(n.integers("axes", all), rank);
  needs(n.text("keep_aspect_ratio_policy", "stretch") == "stretch", "sizes by aspect ratio");
  const Target target = target_of(n, scales, sizes, axes);
  needs(target.exact, "a scale that sizes do not give");
  needs(rank == 4 && target.sizes[0] == n[0].size(0) && target.sizes[1] == n[0].size(1),
        "resizing of other than two dimensions of four");
  const Pair size(static_cast<int>(target.sizes[2]), static_cast<int>(target.sizes[3]));
  const bool shrinks = size.h < n[0].size(2) || size.w < n[0].size(3);
  if (n.text("coordinate_transformation_mode", "half_pixel") == "pytorch_half_pixel") {
    needs(size.h > 1 && size.w > 1, "pytorch_half_pixel to a size of 1");
  }
  return {interpolate(n[0], size, rule(n, shrinks))};
}

Outputs resize(const Node& n) {
  // roi, scales, sizes; in version 10 scales alone, with the rule of asymmetric places.
  needs(n.opset > 10, "the rule of version 10");
  return resized(n, n.has(2) && n[2].numel() > 0 ? n[2].to_vector() : std::vector<double>(),
                 n.has(3) ? integers_of(n[3]) : std::vector<int64_t>());
}

Outputs upsample(const Node& n) {
  needs(n.text("mode", "nearest") == "nearest", "linear with asymmetric places");
  const std::vector<double> scales = n.has(1) ? n[1].to_vector() : n.numbers("scales");
  const auto height = static_cast<int64_t>(static_cast<double>(n[0].size(2)) * scales.at(2));
  const auto width = static_cast<int64_t>(static_cast<double>(n[0].size(3)) * scales.at(3));
  return {interpolate_nearest(n[0], height, width)};
}

Outputs grid_sample_of(const Node& n) {
  const std::string mode = n.text("mode", "bilinear"), padding = n.text("padding_mode", "zeros");
  needs(mode != "bicubic" && mode != "cubic", "bicubic grid_sample");
  needs(n[0].dim() == 4, "grid_sample of five dimensions");
  return {grid_sample(n[0], n[1], mode == "nearest" ? Interpolation::Nearest : Interpolation::Bilinear,
                      padding == "border"       ? GridPadding::Border
                      : padding == "reflection" ? GridPadding::Reflection
                                                : GridPadding::Zeros,
                      n.integer("align_corners", 0) != 0)};
}

}  // namespace

void add_resizing(Operators& all) {
  all["Resize"] = resize;
  all["Upsample"] = upsample;
  all["GridSample"] = grid_sample_of;
}

}  // namespace bevgrad::testing::onnx_nodes
