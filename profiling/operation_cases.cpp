#include "internal/operation_cases.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>

#include "autograd/functions.h"
#include "nn/common_losses.h"
#include "tensor/random.h"

namespace bevgrad {

std::string OperationInput::text() const {
  return fmt::format("{} [{}]{}{}", bevgrad::name(dtype), fmt::join(sizes, ","), channels_last ? " channels-last" : "",
                     dtype == DType::Int64 ? fmt::format(" below {}", below) : "");
}

namespace {

using In = const std::vector<Tensor>&;
using Cases = std::vector<OperationCase>;
using Unary = Tensor (*)(const Tensor&);
using Binary = Tensor (*)(const Tensor&, const Tensor&);

const OperationInput kMap{{2, 128, 56, 104}, DType::Float32, true};
const OperationInput kRows{{4096, 256}};

OperationInput map_of(Shape sizes) {
  return {std::move(sizes), DType::Float32, true};
}
OperationInput indices(Shape sizes, int64_t below) {
  return {std::move(sizes), DType::Int64, false, below};
}

void add_elements(Cases& cases) {
  const std::pair<const char*, Unary> unaries[] = {
      {"neg", neg},         {"exp", exp},   {"log", log},   {"sqrt", sqrt},          {"abs", abs},     {"relu", relu},
      {"sin", sin},         {"cos", cos},   {"erf", erf},   {"log1p", log1p},        {"expm1", expm1}, {"rsqrt", rsqrt},
      {"sigmoid", sigmoid}, {"tanh", tanh}, {"silu", silu}, {"hardswish", hardswish}};
  for (const auto& [name, function] : unaries)
    cases.push_back({name, {kMap}, [f = function](In x) { return f(x[0]); }});
  const auto one = [&](const char* name, std::function<Tensor(const Tensor&)> f) {
    cases.push_back({name, {kMap}, [f = std::move(f)](In x) { return f(x[0]); }});
  };
  one("gelu", [](const Tensor& x) { return gelu(x); });
  one("gelu_tanh", [](const Tensor& x) { return gelu(x, GeluForm::Tanh); });
  one("leaky_relu", [](const Tensor& x) { return leaky_relu(x); });
  one("elu", [](const Tensor& x) { return elu(sub(x, 0.55)); });
  one("softplus", [](const Tensor& x) { return softplus(x); });
  one("clamp", [](const Tensor& x) { return clamp(x, 0.2, 0.8); });
  one("add_number", [](const Tensor& x) { return add(x, 0.5); });
  one("mul_number", [](const Tensor& x) { return mul(x, 0.5); });
  one("pow_2", [](const Tensor& x) { return pow(x, 2); });
  one("pow_1.7", [](const Tensor& x) { return pow(x, 1.7); });
  one("to_bfloat16", [](const Tensor& x) { return to(x, DType::BFloat16); });
  const std::pair<const char*, Binary> binaries[] = {
      {"add", add}, {"sub", sub}, {"mul", mul}, {"div", div}, {"pow", pow}, {"maximum", maximum}, {"minimum", minimum}};
  for (const auto& [name, function] : binaries)
    cases.push_back({name, {kMap, kMap}, [f = function](In x) { return f(x[0], x[1]); }});
  cases.push_back({"greater", {kMap, kMap}, [](In x) { return gt(x[0], x[1]); }, false});
  cases.push_back({"add_channels", {kMap, {{128, 1, 1}}}, [](In x) { return add(x[0], x[1]); }});
  cases.push_back({"mul_rows", {kRows, {{4096, 1}}}, [](In x) { return mul(x[0], x[1]); }});
  const OperationInput mask{kMap.sizes, DType::Bool, true};
  cases.push_back({"where", {mask, kMap, kMap}, [](In x) { return where(x[0], x[1], x[2]); }});
  cases.push_back({"masked_fill", {kMap, mask}, [](In x) { return masked_fill(x[0], x[1], 0.5); }});
  cases.push_back({"dropout", {kMap}, [](In x) {
                     Generator generator(1);
                     return dropout(x[0], 0.1, generator);
                   }});
}

void add_reductions(Cases& cases) {
  const auto rows = [&](const char* name, std::function<Tensor(const Tensor&)> f, bool has_gradient = true) {
    cases.push_back({name, {kRows}, [f = std::move(f)](In x) { return f(x[0]); }, has_gradient});
  };
  rows("sum", [](const Tensor& x) { return sum(x); });
  rows("sum_rows", [](const Tensor& x) { return sum(x, {0}); });
  rows("sum_last", [](const Tensor& x) { return sum(x, {-1}); });
  rows("mean_last", [](const Tensor& x) { return mean(x, {-1}); });
  rows("max_last", [](const Tensor& x) { return max(x, -1); });
  rows("min_last", [](const Tensor& x) { return min(x, -1); });
  rows("max_rows", [](const Tensor& x) { return max(x, 0); });
  rows(
      "argmax_last", [](const Tensor& x) { return argmax(x, -1); }, false);
  rows("var_last", [](const Tensor& x) { return var(x, {-1}); });
  rows("std_last", [](const Tensor& x) { return std(x, {-1}); });
  rows("norm_last", [](const Tensor& x) { return norm(x, 2, {-1}); });
  rows("prod_last", [](const Tensor& x) { return prod(x, -1); });
  rows("logsumexp_last", [](const Tensor& x) { return logsumexp(x, -1); });
  rows("softmax_last", [](const Tensor& x) { return softmax(x, -1); });
  rows("log_softmax_last", [](const Tensor& x) { return log_softmax(x, -1); });
  rows("cumsum_last", [](const Tensor& x) { return cumsum(x, -1); });
  rows("sort_last", [](const Tensor& x) { return sort(x).values; });
  rows("topk_last", [](const Tensor& x) { return topk(x, 10).values; });
  cases.push_back({"softmax_channels", {map_of({2, 10, 200, 200})}, [](In x) { return softmax(x[0], 1); }});
  cases.push_back({"sum_middle", {{{16, 256, 256}}}, [](In x) { return sum(x[0], {1}); }});
  cases.push_back({"sum_outer_and_last", {{{16, 256, 256}}}, [](In x) { return sum(x[0], {0, 2}, true); }});
  cases.push_back({"sum_narrow", {{{131072, 7}}}, [](In x) { return sum(x[0], {0}); }});
  cases.push_back({"mean_short_rows", {{{131072, 7}}}, [](In x) { return mean(x[0], {-1}); }});
  cases.push_back({"mean_places", {kMap}, [](In x) { return mean(x[0], {2, 3}); }});
}

void add_shapes(Cases& cases) {
  cases.push_back({"cat_channels", {kMap, kMap}, [](In x) { return cat({x[0], x[1]}, 1); }});
  cases.push_back({"stack", {kRows, kRows}, [](In x) { return stack({x[0], x[1]}, 0); }});
  cases.push_back({"flip", {kMap}, [](In x) { return flip(x[0], {3}); }});
  cases.push_back({"roll", {kMap}, [](In x) { return roll(x[0], 7, 3); }});
  cases.push_back({"repeat", {kRows}, [](In x) { return repeat(x[0], {1, 2}); }});
  cases.push_back({"pad", {kMap}, [](In x) { return pad(x[0], {1, 1, 1, 1}); }});
  cases.push_back({"pad_reflect", {kMap}, [](In x) { return pad(x[0], {1, 1, 1, 1}, PadMode::Reflect); }});
  cases.push_back({"transpose_copy", {kRows}, [](In x) { return contiguous(transpose(x[0], 0, 1)); }});
  cases.push_back({"to_nchw", {kMap}, [](In x) { return contiguous(x[0]); }});
  cases.push_back({"unbind_stack", {{{64, 16384}}}, [](In x) { return stack(unbind(x[0]), 1); }});
  cases.push_back({"gather", {kRows, indices({4096, 64}, 256)}, [](In x) { return gather(x[0], 1, x[1]); }});
  cases.push_back({"scatter_add", {kRows, indices({4096, 64}, 256), {{4096, 64}}}, [](In x) {
                     return scatter_add(x[0], 1, x[1], x[2]);
                   }});
  cases.push_back({"index_select", {kRows, indices({8192}, 4096)}, [](In x) { return index_select(x[0], 0, x[1]); }});
  cases.push_back({"index_add", {kRows, indices({8192}, 4096), {{8192, 256}}}, [](In x) {
                     return index_add(x[0], 0, x[1], x[2]);
                   }});
  cases.push_back({"embedding", {indices({8192}, 4096), kRows}, [](In x) { return embedding(x[0], x[1]); }});
}

void add_products(Cases& cases) {
  cases.push_back({"linear", {kRows, {{256, 256}}, {{256}}}, [](In x) { return linear(x[0], x[1], x[2]); }});
  cases.push_back({"matmul", {{{512, 512}}, {{512, 512}}}, [](In x) { return matmul(x[0], x[1]); }});
  cases.push_back({"bmm", {{{32, 128, 64}}, {{32, 64, 128}}}, [](In x) { return bmm(x[0], x[1]); }});
  cases.push_back({"einsum", {{{8, 128, 64}}, {{8, 128, 64}}}, [](In x) {
                     return einsum("bqd,bkd->bqk", {x[0], x[1]});
                   }});
  cases.push_back({"outer", {{{1024}}, {{1024}}}, [](In x) { return outer(x[0], x[1]); }});
  const auto conv = [&](const char* name, Shape weight, Conv2dOptions options) {
    cases.push_back({name, {map_of({1, 64, 56, 104}), {std::move(weight)}}, [options](In x) {
                       return conv2d(x[0], x[1], {}, options);
                     }});
  };
  conv("conv2d_3x3", {64, 64, 3, 3}, {.padding = 1});
  conv("conv2d_1x1", {64, 64, 1, 1}, {});
  conv("conv2d_stride_2", {64, 64, 3, 3}, {.stride = 2, .padding = 1});
  conv("conv2d_dilated", {64, 64, 3, 3}, {.padding = 2, .dilation = 2});
  conv("conv2d_groups_4", {64, 16, 3, 3}, {.padding = 1, .groups = 4});
  conv("conv2d_depthwise", {64, 1, 3, 3}, {.padding = 1, .groups = 64});
  conv("conv2d_7x7_stride_2", {64, 64, 7, 7}, {.stride = 2, .padding = 3});
  cases.push_back({"conv_transpose2d", {map_of({1, 64, 28, 52}), {{64, 64, 2, 2}}}, [](In x) {
                     return conv_transpose2d(x[0], x[1], {}, {.stride = 2});
                   }});
  cases.push_back(
      {"conv1d", {{{8, 64, 1024}}, {{64, 64, 3}}}, [](In x) { return conv1d(x[0], x[1], {}, {.padding = 1}); }});
  cases.push_back({"conv3d", {{{1, 16, 16, 32, 32}}, {{16, 16, 3, 3, 3}}}, [](In x) {
                     return conv3d(x[0], x[1], {}, {.padding = 1});
                   }});
  cases.push_back({"conv_transpose2d_groups_4", {map_of({1, 64, 28, 52}), {{64, 16, 4, 4}}}, [](In x) {
                     return conv_transpose2d(x[0], x[1], {}, {.stride = 2, .padding = 1, .groups = 4});
                   }});
  cases.push_back({"conv1d_depthwise", {{{8, 64, 1024}}, {{64, 1, 7}}}, [](In x) {
                     return conv1d(x[0], x[1], {}, {.padding = 3, .groups = 64});
                   }});
  cases.push_back({"conv3d_depthwise", {{{1, 16, 16, 32, 32}}, {{16, 1, 3, 3, 3}}}, [](In x) {
                     return conv3d(x[0], x[1], {}, {.padding = 1, .groups = 16});
                   }});
  cases.push_back({"conv_transpose1d", {{{8, 64, 512}}, {{64, 64, 4}}}, [](In x) {
                     return conv_transpose1d(x[0], x[1], {}, {.stride = 2, .padding = 1});
                   }});
  cases.push_back({"conv_transpose3d", {{{1, 16, 8, 16, 16}}, {{16, 16, 2, 2, 2}}}, [](In x) {
                     return conv_transpose3d(x[0], x[1], {}, {.stride = 2});
                   }});
  const auto attention = [&](const char* name, const Shape& sizes, bool causal) {
    cases.push_back({name, {{sizes}, {sizes}, {sizes}}, [causal](In x) {
                       AttentionOptions options;
                       options.is_causal = causal;
                       return scaled_dot_product_attention(x[0], x[1], x[2], options);
                     }});
  };
  attention("attention_1024x64", {1, 8, 1024, 64}, false);
  attention("attention_causal_1024x64", {1, 8, 1024, 64}, true);
  attention("attention_128x32", {16, 8, 128, 32}, false);
  attention("attention_of_cells_4x16", {5000, 4, 4, 16}, false);
  cases.push_back(
      {"attention_masked_512x64", {{{1, 8, 512, 64}}, {{1, 8, 512, 64}}, {{1, 8, 512, 64}}, {{512, 512}}}, [](In x) {
         AttentionOptions options;
         options.attn_mask = x[3];
         return scaled_dot_product_attention(x[0], x[1], x[2], options);
       }});
}

void add_maps(Cases& cases) {
  const auto map = [&](const char* name, std::function<Tensor(const Tensor&)> f) {
    cases.push_back({name, {kMap}, [f = std::move(f)](In x) { return f(x[0]); }});
  };
  map("max_pool2d", [](const Tensor& x) { return max_pool2d(x); });
  map("avg_pool2d", [](const Tensor& x) { return avg_pool2d(x); });
  map("adaptive_avg_pool2d", [](const Tensor& x) { return adaptive_avg_pool2d(x, {7, 13}); });
  map("interpolate_nearest", [](const Tensor& x) { return interpolate(x, {112, 208}); });
  map("interpolate_bilinear", [](const Tensor& x) {
    return interpolate(x, {112, 208}, {.mode = InterpolateMode::Bilinear});
  });
  map("interpolate_bicubic", [](const Tensor& x) {
    return interpolate(x, {112, 208}, {.mode = InterpolateMode::Bicubic});
  });
  cases.push_back(
      {"grid_sample", {map_of({1, 64, 100, 50}), {{1, 100, 200, 2}}}, [](In x) { return grid_sample(x[0], x[1]); }});
  cases.push_back({"unfold", {map_of({1, 64, 56, 104})}, [](In x) { return unfold(x[0], 3, 1, 1); }});
  cases.push_back({"fold", {{{1, 576, 5824}}}, [](In x) { return fold(x[0], {56, 104}, 3, 1, 1); }});
  cases.push_back({"batch_norm", {kMap, {{128}}, {{128}}}, [](In x) {
                     static const Tensor mean = zeros({128}), variance = ones({128});
                     return batch_norm(x[0], x[1], x[2], ops::to(mean, x[0].device()),
                                       ops::to(variance, x[0].device()));
                   }});
  cases.push_back({"group_norm", {kMap, {{128}}, {{128}}}, [](In x) { return group_norm(x[0], 32, x[1], x[2]); }});
  const OperationInput nchw{kMap.sizes};
  cases.push_back({"group_norm_nchw", {nchw, {{128}}, {{128}}}, [](In x) { return group_norm(x[0], 32, x[1], x[2]); }});
  cases.push_back({"instance_norm", {kMap, {{128}}, {{128}}}, [](In x) { return instance_norm(x[0], x[1], x[2]); }});
  cases.push_back({"layer_norm", {kRows, {{256}}, {{256}}}, [](In x) { return layer_norm(x[0], {256}, x[1], x[2]); }});
  cases.push_back({"rms_norm", {kRows, {{256}}}, [](In x) { return rms_norm(x[0], {256}, x[1]); }});
}

void add_losses(Cases& cases) {
  using Loss = Tensor (*)(const Tensor&, const Tensor&, Reduction);
  const std::pair<const char*, Loss> losses[] = {
      {"mse_loss", mse_loss}, {"l1_loss", l1_loss}, {"kl_div", kl_div}, {"binary_cross_entropy", binary_cross_entropy}};
  for (const auto& [name, function] : losses)
    cases.push_back({name, {kRows, kRows}, [f = function](In x) { return f(x[0], detach(x[1]), Reduction::Mean); }});
  cases.push_back(
      {"bce_with_logits", {kRows, kRows}, [](In x) { return binary_cross_entropy_with_logits(x[0], detach(x[1])); }});
  cases.push_back({"smooth_l1_loss", {kRows, kRows}, [](In x) { return smooth_l1_loss(x[0], detach(x[1])); }});
  cases.push_back({"huber_loss", {kRows, kRows}, [](In x) { return huber_loss(x[0], detach(x[1])); }});
  cases.push_back({"cross_entropy", {kRows, indices({4096}, 256)}, [](In x) { return cross_entropy(x[0], x[1]); }});
}

}  // namespace

std::vector<OperationCase> operation_cases() {
  Cases cases;
  add_elements(cases);
  add_reductions(cases);
  add_shapes(cases);
  add_products(cases);
  add_maps(cases);
  add_losses(cases);
  return cases;
}

}  // namespace bevgrad
