// Operators that work element by element.
#include <cmath>
#include <limits>

#include "autograd/functions.h"
#include "onnx_nodes/node.h"

namespace bevgrad::testing::onnx_nodes {
namespace {

using Unary = Tensor (*)(const Tensor&);
using Binary = Tensor (*)(const Tensor&, const Tensor&);

Operator of(Unary function) {
  return [=](const Node& n) -> Outputs { return {function(n[0])}; };
}

Operator of(Binary function) {
  return [=](const Node& n) -> Outputs {
    needs(!n.has("axis"), "broadcasting by an axis");
    return {function(n[0], n[1])};
  };
}

/// Of any number of inputs, one after the other.
Operator folded(Binary function) {
  return [=](const Node& n) -> Outputs {
    Tensor result = n[0];
    for (size_t i = 1; i < n.input_count(); ++i) result = function(result, n[i]);
    return {result};
  };
}

Tensor xor_of(const Tensor& a, const Tensor& b) {
  return ne(a, b);
}

Outputs divide(const Node& n) {
  needs(is_floating_point(n[0].dtype()), "integer division");
  needs(!n.has("axis"), "broadcasting by an axis");
  return {div(n[0], n[1])};
}

Outputs raise(const Node& n) {
  needs(!n.has("axis"), "broadcasting by an axis");
  if (n[1].numel() == 1 && n[1].dim() <= n[0].dim()) return {pow(n[0], n[1].item())};
  return {pow(n[0], to(n[1], n[0].dtype()))};
}

Outputs clip(const Node& n) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const double low = n.has(1) ? n[1].item() : n.number("min", -kInfinity);
  const double high = n.has(2) ? n[2].item() : n.number("max", kInfinity);
  return {clamp(n[0], low, high)};
}

Outputs elu_of(const Node& n) {
  return {elu(n[0], n.number("alpha", 1))};
}

Outputs celu(const Node& n) {
  const double alpha = n.number("alpha", 1);
  return {alpha * elu(n[0] / alpha)};
}

Outputs selu(const Node& n) {
  return {n.number("gamma", 1.0507009873554805) * elu(n[0], n.number("alpha", 1.6732632423543772))};
}

Outputs prelu(const Node& n) {
  Tensor slope = n[1];
  if (n.opset < 7 && slope.numel() > 1) {  // one for each channel
    Shape channels(static_cast<size_t>(n[0].dim() - 1), 1);
    channels[0] = slope.numel();
    slope = reshape(slope, channels);
  }
  return {where(gt(n[0], 0.0), n[0], n[0] * slope)};
}

Outputs gelu_of(const Node& n) {
  return {gelu(n[0], n.text("approximate", "none") == "tanh" ? GeluForm::Tanh : GeluForm::Exact)};
}

Outputs is_infinite(const Node& n) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const bool negative = n.integer("detect_negative", 1) != 0, positive = n.integer("detect_positive", 1) != 0;
  if (negative && positive) return {eq(abs(n[0]), kInfinity)};
  return {eq(n[0], negative ? -kInfinity : kInfinity)};
}

Outputs shrink(const Node& n) {
  const double bias = n.number("bias", 0), lambda = n.number("lambd", 0.5);
  const Tensor none = zeros_like(n[0]);
  return {where(lt(n[0], -lambda), n[0] + bias, where(gt(n[0], lambda), n[0] - bias, none))};
}

Outputs threshold(const Node& n) {
  return {masked_fill(n[0], le(n[0], n.number("alpha", 1)), 0)};
}

Outputs sign(const Node& n) {
  return {to(gt(n[0], 0.0), n[0].dtype()) - to(lt(n[0], 0.0), n[0].dtype())};
}

Outputs cast(const Node& n) {
  return {to(n[0], dtype_of_onnx(static_cast<int>(n.integer("to", 0))))};
}

Outputs mean_of(const Node& n) {
  Tensor result = n[0];
  for (size_t i = 1; i < n.input_count(); ++i) result = result + n[i];
  return {result / static_cast<double>(n.input_count())};
}

}  // namespace

void add_elementwise(Operators& all) {
  all["Abs"] = of(abs);
  all["Neg"] = of(neg);
  all["Exp"] = of(exp);
  all["Log"] = of(log);
  all["Sqrt"] = of(sqrt);
  all["Sin"] = of(sin);
  all["Cos"] = of(cos);
  all["Erf"] = of(erf);
  all["Relu"] = of(relu);
  all["Tanh"] = of(tanh);
  all["Sigmoid"] = of(sigmoid);
  all["HardSwish"] = of(hardswish);
  all["Not"] = of(logical_not);
  all["IsNaN"] = of(isnan);
  all["Identity"] = [](const Node& n) -> Outputs { return {n[0]}; };
  all["Softplus"] = [](const Node& n) -> Outputs { return {softplus(n[0])}; };
  all["Reciprocal"] = [](const Node& n) -> Outputs { return {1.0 / n[0]}; };
  all["Tan"] = [](const Node& n) -> Outputs { return {sin(n[0]) / cos(n[0])}; };
  all["Softsign"] = [](const Node& n) -> Outputs { return {n[0] / (abs(n[0]) + 1.0)}; };
  all["Mish"] = [](const Node& n) -> Outputs { return {n[0] * tanh(softplus(n[0]))}; };
  all["Swish"] = [](const Node& n) -> Outputs { return {n[0] * sigmoid(n[0] * n.number("alpha", 1))}; };
  all["LeakyRelu"] = [](const Node& n) -> Outputs { return {leaky_relu(n[0], n.number("alpha", 0.01))}; };
  all["HardSigmoid"] = [](const Node& n) -> Outputs {
    return {clamp(n[0] * n.number("alpha", 0.2) + n.number("beta", 0.5), 0, 1)};
  };
  all["Add"] = of(static_cast<Binary>(add));
  all["Sub"] = of(static_cast<Binary>(sub));
  all["Mul"] = of(static_cast<Binary>(mul));
  all["Div"] = divide;
  all["Pow"] = raise;
  all["Max"] = folded(maximum);
  all["Min"] = folded(minimum);
  all["Sum"] = folded(static_cast<Binary>(add));
  all["Mean"] = mean_of;
  all["And"] = of(logical_and);
  all["Or"] = of(logical_or);
  all["Xor"] = of(xor_of);
  all["Equal"] = of(static_cast<Binary>(eq));
  all["Less"] = of(static_cast<Binary>(lt));
  all["LessOrEqual"] = of(static_cast<Binary>(le));
  all["Greater"] = of(static_cast<Binary>(gt));
  all["GreaterOrEqual"] = of(static_cast<Binary>(ge));
  all["Where"] = [](const Node& n) -> Outputs { return {where(n[0], n[1], n[2])}; };
  all["Clip"] = clip;
  all["Elu"] = elu_of;
  all["Celu"] = celu;
  all["Selu"] = selu;
  all["PRelu"] = prelu;
  all["Gelu"] = gelu_of;
  all["IsInf"] = is_infinite;
  all["Shrink"] = shrink;
  all["ThresholdedRelu"] = threshold;
  all["Sign"] = sign;
  all["Cast"] = cast;
  all["CastLike"] = [](const Node& n) -> Outputs { return {to(n[0], n[1].dtype())}; };
}

}  // namespace bevgrad::testing::onnx_nodes
