#include "torch/operations.h"

#include "autograd/functions.h"
#include "nn/common_losses.h"

namespace bevgrad::testing {
namespace {

using nlohmann::json;
using In = const std::vector<Tensor>&;
using Args = const json&;
using Results = std::vector<Tensor>;

int number(Args a, const char* name) {
  return a.at(name).get<int>();
}
double real(Args a, const char* name) {
  return a.at(name).is_string() ? std::stod(a.at(name).get<std::string>()) : a.at(name).get<double>();
}
bool flag(Args a, const char* name) {
  return a.value(name, false);
}
std::vector<int> dims(Args a, const char* name = "dim") {
  return a.value(name, std::vector<int>{});
}
Shape sizes(Args a, const char* name) {
  return a.at(name).get<Shape>();
}
Pair pair(Args a, const char* name, int otherwise) {
  if (!a.contains(name)) return otherwise;
  const auto both = a.at(name).get<std::vector<int>>();
  return {both.at(0), both.at(1)};
}
Tensor optional(In x, size_t i) {
  return i < x.size() ? x[i] : Tensor();
}
Reduction reduction(Args a) {
  const std::string name = a.value("reduction", "mean");
  return name == "none" ? Reduction::None : name == "sum" ? Reduction::Sum : Reduction::Mean;
}

Operation unary(Tensor (*function)(const Tensor&)) {
  return [=](In x, Args) -> Results { return {function(x[0])}; };
}
Operation binary(Tensor (*function)(const Tensor&, const Tensor&)) {
  return [=](In x, Args) -> Results { return {function(x[0], x[1])}; };
}
/// Tensor and number: the argument "other".
Operation scaled(Tensor (*function)(const Tensor&, double)) {
  return [=](In x, Args a) -> Results { return {function(x[0], real(a, "other"))}; };
}
Operation loss(Tensor (*function)(const Tensor&, const Tensor&, Reduction)) {
  return [=](In x, Args a) -> Results { return {function(x[0], x[1], reduction(a))}; };
}

using Operations = std::map<std::string, Operation>;

void add_elements(Operations& all) {
  using Unary = Tensor (*)(const Tensor&);
  const std::map<std::string, Unary> unaries = {
      {"neg", neg},     {"exp", exp},     {"log", log},     {"sqrt", sqrt},           {"abs", abs},
      {"relu", relu},   {"sin", sin},     {"cos", cos},     {"sigmoid", sigmoid},     {"erf", erf},
      {"log1p", log1p}, {"expm1", expm1}, {"rsqrt", rsqrt}, {"hardswish", hardswish}, {"tanh", tanh},
      {"silu", silu},   {"isnan", isnan}};
  for (const auto& [name, function] : unaries) all[name] = unary(function);
  using Binary = Tensor (*)(const Tensor&, const Tensor&);
  const std::map<std::string, Binary> binaries = {
      {"add", add},         {"sub", sub}, {"mul", mul}, {"div", div}, {"maximum", maximum},
      {"minimum", minimum}, {"pow", pow}, {"eq", eq},   {"ne", ne},   {"lt", lt},
      {"le", le},           {"gt", gt},   {"ge", ge}};
  for (const auto& [name, function] : binaries) all[name] = binary(function);
  using Scaled = Tensor (*)(const Tensor&, double);
  const std::map<std::string, Scaled> scaleds = {{"add_number", add}, {"sub_number", sub}, {"mul_number", mul},
                                                 {"div_number", div}, {"pow_number", pow}, {"eq_number", eq},
                                                 {"lt_number", lt},   {"ge_number", ge}};
  for (const auto& [name, function] : scaleds) all[name] = scaled(function);
  all["clamp"] = [](In x, Args a) -> Results { return {clamp(x[0], real(a, "min"), real(a, "max"))}; };
  all["gelu"] = [](In x, Args a) -> Results {
    return {gelu(x[0], flag(a, "tanh") ? GeluForm::Tanh : GeluForm::Exact)};
  };
  all["leaky_relu"] = [](In x, Args a) -> Results { return {leaky_relu(x[0], real(a, "negative_slope"))}; };
  all["elu"] = [](In x, Args a) -> Results { return {elu(x[0], real(a, "alpha"))}; };
  all["softplus"] = [](In x, Args a) -> Results { return {softplus(x[0], real(a, "beta"), real(a, "threshold"))}; };
  all["where"] = [](In x, Args) -> Results { return {where(x[0], x[1], x[2])}; };
  all["masked_fill"] = [](In x, Args a) -> Results { return {masked_fill(x[0], x[1], real(a, "value"))}; };
}

void add_reductions(Operations& all) {
  all["sum"] = [](In x, Args a) -> Results { return {sum(x[0], dims(a), flag(a, "keepdim"))}; };
  all["mean"] = [](In x, Args a) -> Results { return {mean(x[0], dims(a), flag(a, "keepdim"))}; };
  all["var"] = [](In x, Args a) -> Results { return {var(x[0], dims(a), real(a, "correction"), flag(a, "keepdim"))}; };
  all["std"] = [](In x, Args a) -> Results { return {std(x[0], dims(a), real(a, "correction"), flag(a, "keepdim"))}; };
  all["norm"] = [](In x, Args a) -> Results { return {norm(x[0], real(a, "p"), dims(a), flag(a, "keepdim"))}; };
  all["max"] = [](In x, Args a) -> Results { return {max(x[0], number(a, "dim"), flag(a, "keepdim"))}; };
  all["min"] = [](In x, Args a) -> Results { return {min(x[0], number(a, "dim"), flag(a, "keepdim"))}; };
  all["prod"] = [](In x, Args a) -> Results { return {prod(x[0], number(a, "dim"), flag(a, "keepdim"))}; };
  all["logsumexp"] = [](In x, Args a) -> Results { return {logsumexp(x[0], number(a, "dim"), flag(a, "keepdim"))}; };
  all["argmax"] = [](In x, Args a) -> Results { return {argmax(x[0], number(a, "dim"), flag(a, "keepdim"))}; };
  all["argmin"] = [](In x, Args a) -> Results { return {argmin(x[0], number(a, "dim"), flag(a, "keepdim"))}; };
  all["cumsum"] = [](In x, Args a) -> Results { return {cumsum(x[0], number(a, "dim"))}; };
  all["softmax"] = [](In x, Args a) -> Results { return {softmax(x[0], number(a, "dim"))}; };
  all["log_softmax"] = [](In x, Args a) -> Results { return {log_softmax(x[0], number(a, "dim"))}; };
  all["sort"] = [](In x, Args a) -> Results {
    const auto [values, indices] = sort(x[0], number(a, "dim"), flag(a, "descending"));
    return {values, indices};
  };
  all["topk"] = [](In x, Args a) -> Results {
    return {topk(x[0], number(a, "k"), number(a, "dim"), flag(a, "largest")).values};
  };
}

void add_shapes(Operations& all) {
  all["reshape"] = [](In x, Args a) -> Results { return {reshape(x[0], sizes(a, "shape"))}; };
  all["permute"] = [](In x, Args a) -> Results { return {permute(x[0], dims(a, "dims"))}; };
  all["transpose"] = [](In x, Args a) -> Results { return {transpose(x[0], number(a, "dim0"), number(a, "dim1"))}; };
  all["narrow"] = [](In x, Args a) -> Results {
    return {narrow(x[0], number(a, "dim"), number(a, "start"), number(a, "length"))};
  };
  all["select"] = [](In x, Args a) -> Results { return {select(x[0], number(a, "dim"), number(a, "index"))}; };
  all["unsqueeze"] = [](In x, Args a) -> Results { return {unsqueeze(x[0], number(a, "dim"))}; };
  all["squeeze"] = [](In x, Args a) -> Results { return {squeeze(x[0], number(a, "dim"))}; };
  all["expand"] = [](In x, Args a) -> Results { return {expand(x[0], sizes(a, "size"))}; };
  all["cat"] = [](In x, Args a) -> Results { return {cat(x, number(a, "dim"))}; };
  all["stack"] = [](In x, Args a) -> Results { return {stack(x, number(a, "dim"))}; };
  all["flip"] = [](In x, Args a) -> Results { return {flip(x[0], dims(a, "dims"))}; };
  all["roll"] = [](In x, Args a) -> Results { return {roll(x[0], number(a, "shifts"), number(a, "dims"))}; };
  all["repeat"] = [](In x, Args a) -> Results { return {repeat(x[0], sizes(a, "repeats"))}; };
  all["chunk"] = [](In x, Args a) -> Results { return chunk(x[0], number(a, "chunks"), number(a, "dim")); };
  all["split"] = [](In x, Args a) -> Results { return split(x[0], int64_t{number(a, "size")}, number(a, "dim")); };
  all["unbind"] = [](In x, Args a) -> Results { return unbind(x[0], number(a, "dim")); };
  all["pad"] = [](In x, Args a) -> Results {
    const std::string mode = a.at("mode");
    return {pad(x[0], sizes(a, "pad"),
                mode == "reflect"     ? PadMode::Reflect
                : mode == "replicate" ? PadMode::Replicate
                                      : PadMode::Constant,
                real(a, "value"))};
  };
  all["gather"] = [](In x, Args a) -> Results { return {gather(x[0], number(a, "dim"), x[1])}; };
  all["scatter"] = [](In x, Args a) -> Results { return {scatter(x[0], number(a, "dim"), x[1], x[2])}; };
  all["scatter_add"] = [](In x, Args a) -> Results { return {scatter_add(x[0], number(a, "dim"), x[1], x[2])}; };
  all["index_select"] = [](In x, Args a) -> Results { return {index_select(x[0], number(a, "dim"), x[1])}; };
  all["index_add"] = [](In x, Args a) -> Results { return {index_add(x[0], number(a, "dim"), x[1], x[2])}; };
  all["embedding"] = [](In x, Args) -> Results { return {embedding(x[1], x[0])}; };
}

void add_products(Operations& all) {
  all["matmul"] = [](In x, Args) -> Results { return {matmul(x[0], x[1])}; };
  all["bmm"] = [](In x, Args) -> Results { return {bmm(x[0], x[1])}; };
  all["outer"] = [](In x, Args) -> Results { return {outer(x[0], x[1])}; };
  all["einsum"] = [](In x, Args a) -> Results { return {einsum(a.at("equation"), x)}; };
  all["linear"] = [](In x, Args) -> Results { return {linear(x[0], x[1], optional(x, 2))}; };
  all["conv2d"] = [](In x, Args a) -> Results {
    return {conv2d(x[0], x[1], optional(x, 2),
                   {pair(a, "stride", 1), pair(a, "padding", 0), pair(a, "dilation", 1), a.value("groups", 1)})};
  };
  all["conv1d"] = [](In x, Args a) -> Results {
    return {conv1d(x[0], x[1], optional(x, 2),
                   {a.value("stride", 1), a.value("padding", 0), a.value("dilation", 1), a.value("groups", 1)})};
  };
  all["conv_transpose2d"] = [](In x, Args a) -> Results {
    return {conv_transpose2d(x[0], x[1], optional(x, 2),
                             {pair(a, "stride", 1), pair(a, "padding", 0), pair(a, "output_padding", 0),
                              a.value("groups", 1), pair(a, "dilation", 1)})};
  };
  all["attention"] = [](In x, Args a) -> Results {
    AttentionOptions options;
    options.attn_mask = optional(x, 3);
    options.is_causal = flag(a, "is_causal");
    return {scaled_dot_product_attention(x[0], x[1], x[2], options)};
  };
}

void add_maps(Operations& all) {
  all["max_pool2d"] = [](In x, Args a) -> Results {
    return {max_pool2d(x[0], {pair(a, "kernel_size", 2), pair(a, "stride", 1), pair(a, "padding", 0),
                              pair(a, "dilation", 1), flag(a, "ceil_mode")})};
  };
  all["avg_pool2d"] = [](In x, Args a) -> Results {
    return {avg_pool2d(x[0], {pair(a, "kernel_size", 2),
                              pair(a, "stride", 1),
                              pair(a, "padding", 0),
                              flag(a, "ceil_mode"),
                              flag(a, "count_include_pad"),
                              {}})};
  };
  all["adaptive_avg_pool2d"] = [](In x, Args a) -> Results { return {adaptive_avg_pool2d(x[0], pair(a, "size", 1))}; };
  all["adaptive_max_pool2d"] = [](In x, Args a) -> Results { return {adaptive_max_pool2d(x[0], pair(a, "size", 1))}; };
  all["interpolate"] = [](In x, Args a) -> Results {
    const std::map<std::string, InterpolateMode> modes = {{"nearest", InterpolateMode::Nearest},
                                                          {"nearest-exact", InterpolateMode::NearestExact},
                                                          {"bilinear", InterpolateMode::Bilinear},
                                                          {"bicubic", InterpolateMode::Bicubic},
                                                          {"area", InterpolateMode::Area}};
    return {interpolate(x[0], pair(a, "size", 1),
                        {modes.at(a.at("mode")), flag(a, "align_corners"), flag(a, "antialias")})};
  };
  all["grid_sample"] = [](In x, Args a) -> Results {
    const std::string padding = a.at("padding_mode");
    return {grid_sample(x[0], x[1], a.at("mode") == "nearest" ? Interpolation::Nearest : Interpolation::Bilinear,
                        padding == "border"       ? GridPadding::Border
                        : padding == "reflection" ? GridPadding::Reflection
                                                  : GridPadding::Zeros,
                        flag(a, "align_corners"))};
  };
  all["unfold"] = [](In x, Args a) -> Results {
    return {
        unfold(x[0], pair(a, "kernel_size", 2), pair(a, "dilation", 1), pair(a, "padding", 0), pair(a, "stride", 1))};
  };
  all["layer_norm"] = [](In x, Args a) -> Results {
    return {layer_norm(x[0], sizes(a, "shape"), optional(x, 1), optional(x, 2))};
  };
  all["group_norm"] = [](In x, Args a) -> Results {
    return {group_norm(x[0], number(a, "groups"), optional(x, 1), optional(x, 2))};
  };
  all["rms_norm"] = [](In x, Args a) -> Results { return {rms_norm(x[0], sizes(a, "shape"), optional(x, 1))}; };
}

void add_losses(Operations& all) {
  all["mse_loss"] = loss(mse_loss);
  all["l1_loss"] = loss(l1_loss);
  all["kl_div"] = loss(kl_div);
  all["binary_cross_entropy"] = loss(binary_cross_entropy);
  all["bce_with_logits"] = [](In x, Args a) -> Results {
    return {binary_cross_entropy_with_logits(x[0], x[1], {}, reduction(a))};
  };
  all["smooth_l1_loss"] = [](In x, Args a) -> Results {
    return {smooth_l1_loss(x[0], x[1], real(a, "beta"), reduction(a))};
  };
  all["huber_loss"] = [](In x, Args a) -> Results { return {huber_loss(x[0], x[1], real(a, "delta"), reduction(a))}; };
  all["cross_entropy"] = [](In x, Args a) -> Results {
    return {cross_entropy(
        x[0], x[1], {optional(x, 2), a.value("ignore_index", -100), a.value("label_smoothing", 0.0), reduction(a)})};
  };
}

}  // namespace

const std::map<std::string, Operation>& operations() {
  static const Operations all = [] {
    Operations result;
    add_elements(result);
    add_reductions(result);
    add_shapes(result);
    add_products(result);
    add_maps(result);
    add_losses(result);
    return result;
  }();
  return all;
}

}  // namespace bevgrad::testing
