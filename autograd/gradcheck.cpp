#include "autograd/gradcheck.h"

#include <algorithm>
#include <cmath>

#include "tensor/leaf_list.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

using Function = std::function<Tensor(const std::vector<Tensor>&)>;

// A leaf of its own memory with the values and, for a strided input, the layout class of `x`.
Tensor leaf_like(const Tensor& x) {
  const NoGradGuard no_grad;
  // Every element in a place of its own, so that a central difference moves just one.
  if (x.is_contiguous(x.suggested_format())) return ops::clone(x);
  // A transposed or sliced input stays one: copy the span of storage that it covers.
  int64_t span = 1;
  for (int d = 0; d < x.dim(); ++d) {
    if (x.size(d) > 1 && x.stride(d) == 0) return ops::clone(x);
    span += (x.size(d) - 1) * x.stride(d);
  }
  const Tensor memory(x.storage(), x.offset(), {span}, {1}, x.dtype());
  const Tensor copy = ops::clone(memory);
  return Tensor(copy.storage(), 0, x.sizes(), x.strides(), x.dtype());
}

// Element i (logical order) as a tensor that shares its memory.
Tensor element_of(const Tensor& x, int64_t i) {
  int64_t offset = x.offset();
  for (int d = x.dim(); d-- > 0;) {
    offset += i % x.size(d) * x.stride(d);
    i /= x.size(d);
  }
  return Tensor(x.storage(), offset, {}, {}, x.dtype());
}

std::string index_text(const Tensor& x, int64_t i) {
  Shape index(x.sizes().size());
  for (int d = x.dim(); d-- > 0;) {
    index[d] = i % x.size(d);
    i /= x.size(d);
  }
  return to_string(index);
}

struct Checked {
  std::string name;  // "input 0", "conv.weight", "captured 0 (float64 [3] on cpu)"
  Tensor leaf;
};

// While it lives, `wanted` alone requires a gradient.
class OnlyWanted {
 public:
  OnlyWanted(const std::vector<Checked>& checked, const Tensor& wanted) : checked_(checked) {
    for (const Checked& one : checked) set_requires_grad(one.leaf, one.leaf.is_same(wanted));
  }
  ~OnlyWanted() {
    for (const Checked& one : checked_) set_requires_grad(one.leaf, true);
  }
  OnlyWanted(const OnlyWanted&) = delete;
  OnlyWanted& operator=(const OnlyWanted&) = delete;

 private:
  const std::vector<Checked>& checked_;
};

// v . y and the size of its terms, for what rounding can do to it.
struct Projection {
  double value = 0, magnitude = 0;
};

class Check {
 public:
  Check(const std::string& op, const Function& function, std::vector<Tensor> inputs, const GradcheckOptions& options)
      : op_(op), function_(function), inputs_(std::move(inputs)), options_(options) {}

  // The output decides about the precision of the differences.
  std::string prepare(const std::vector<Checked>& checked, const Tensor& y) {
    if (y.dtype() != DType::Float64 && y.dtype() != DType::Float32)
      return fmt::format("{}: the output is {}, expected float64 or float32", op_, describe(y));
    for (const Checked& one : checked)
      if (one.leaf.dtype() != y.dtype())
        return fmt::format("{}: {} is {}, the output {}: expected one dtype, float64 or float32", op_, one.name,
                           describe(one.leaf), describe(y));
    const bool wide = y.dtype() == DType::Float64;
    if (options_.step == 0) options_.step = wide ? 1e-5 : 1.0 / 64;
    if (options_.absolute_tolerance == 0) options_.absolute_tolerance = wide ? 1e-7 : 2e-3;
    if (options_.relative_tolerance == 0) options_.relative_tolerance = wide ? 1e-5 : 1e-2;
    epsilon_ = wide ? 2.3e-16 : 1.2e-7;
    direction_ = Generator(options_.seed).uniform(y.sizes(), -1.0, 1.0, {DType::Float64}).to_vector();
    return "";
  }

  Tensor direction(const Tensor& y) const {
    return ops::to(from_values(direction_, y.sizes(), {y.dtype()}), y.device());
  }

  Projection project() const {
    const std::vector<double> y = function_(inputs_).to_vector();
    Projection result;
    for (size_t i = 0; i < y.size(); ++i) {
      result.value += y[i] * direction_[i];
      result.magnitude += std::abs(y[i] * direction_[i]);
    }
    return result;
  }

  // Called twice with the same inputs, it must give the same.
  bool repeats() {
    here_ = project().value;
    const double again = project().value;
    return here_ == again || (std::isnan(here_) && std::isnan(again));
  }

  std::string compare(const Checked& checked) const {
    const Tensor& x = checked.leaf;
    const Tensor dx = grad(x);
    if (!dx.defined())
      return fmt::format("{}: {} got no gradient: does it take part in the output, and in its record?", op_,
                         checked.name);
    if (dx.sizes() != x.sizes() || dx.dtype() != x.dtype())
      return fmt::format("{}: the gradient of {} is {}, expected {}", op_, checked.name, describe(dx), describe(x));
    const std::vector<double> analytic = dx.to_vector(), values = x.to_vector();
    const int64_t apart = options_.most_elements > 0 ? std::max<int64_t>(1, x.numel() / options_.most_elements) : 1;
    std::string first;
    int64_t compared = 0, wrong = 0, worst = 0;
    double worst_error = 0;
    for (int64_t i = 0; i < x.numel(); i += apart) {
      ++compared;
      const Slope slope = smooth_slope_at(x, i, values[i]);
      if (slope.is_kink)
        return fmt::format(
            "{}: {} at {}: the function is not differentiable there, its slopes are {:.5g} from below and {:.5g} from "
            "above; choose inputs away from its kinks",
            op_, checked.name, index_text(x, i), slope.left, slope.right);
      const double error = std::abs(analytic[i] - slope.central);
      const double tolerance =
          options_.absolute_tolerance + options_.relative_tolerance * std::abs(slope.central) + slope.rounding;
      if (error <= tolerance) continue;
      if (wrong++ == 0)
        first = fmt::format("{}: gradient of {} at {}: analytic {:.10g}, numeric {:.10g}", op_, checked.name,
                            index_text(x, i), analytic[i], slope.central);
      if (!(error <= worst_error)) {
        worst_error = error;
        worst = i;
      }
    }
    if (wrong == 0) return "";
    return fmt::format("{}; {} of {} elements are off, by {:.3g} at most (at {})", first, wrong, compared, worst_error,
                       index_text(x, worst));
  }

  // Rules leave out what nobody wants: wanted alone, a leaf has the gradient that it has among the others.
  std::string compare_alone(const std::vector<Checked>& all, const Checked& checked) const {
    const Tensor among = grad(checked.leaf);
    set_grad(checked.leaf, {});
    {
      const OnlyWanted only(all, checked.leaf);
      const GradModeGuard recorded(true);
      const Tensor y = function_(inputs_);
      if (requires_grad(y)) backward(y, direction(y));
    }
    const Tensor alone = grad(checked.leaf);
    set_grad(checked.leaf, among);
    const std::vector<double> expected = among.to_vector(),
                              actual = alone.defined() ? alone.to_vector() : std::vector<double>(expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      const double tolerance = options_.absolute_tolerance + options_.relative_tolerance * std::abs(expected[i]);
      if (std::abs(actual[i] - expected[i]) > tolerance)
        return fmt::format(
            "{}: gradient of {} at {}: {:.10g} where no other is wanted, {:.10g} among the others: does a rule leave "
            "out too much by its NeedsGrad?",
            op_, checked.name, index_text(checked.leaf, static_cast<int64_t>(i)), actual[i], expected[i]);
    }
    return "";
  }

 private:
  struct Slope {
    double left, right, central, rounding;
    bool is_kink = false;

    double gap() const { return std::abs(right - left); }
    bool has_gap() const { return gap() > 0.02 * std::max(std::abs(left), std::abs(right)) + 8 * rounding + 1e-3; }
  };

  Slope slope_at(const Tensor& x, int64_t i, double value, double step) const {
    const Tensor element = element_of(x, i);
    const auto at = [&](double moved) {
      ops::fill_(element, moved);
      // What was meant is not quite what float32 holds.
      return std::pair(project(), element.item());
    };
    const auto [above, x_above] = at(value + step);
    const auto [below, x_below] = at(value - step);
    ops::fill_(element, value);
    const double rounding = 4 * epsilon_ * std::max(above.magnitude, below.magnitude) / step;
    return {(here_ - below.value) / (value - x_below), (above.value - here_) / (x_above - value),
            (above.value - below.value) / (x_above - x_below), rounding};
  }

  // Slopes from both sides that stay apart as the step shrinks are a kink or a jump; where they come together, the
  // step was too long for a kink nearby or a strong bend, and the shorter one tells.
  Slope smooth_slope_at(const Tensor& x, int64_t i, double value) const {
    double step = options_.step;
    Slope slope = slope_at(x, i, value, step);
    for (int shorter = 0; shorter < 4 && slope.has_gap(); ++shorter) {
      const double before = slope.gap();
      slope = slope_at(x, i, value, step /= 4);
      slope.is_kink = slope.has_gap() && slope.gap() > 0.6 * before;
      if (slope.is_kink) break;
    }
    return slope;
  }

  const std::string& op_;
  const Function& function_;
  std::vector<Tensor> inputs_;
  GradcheckOptions options_;
  std::vector<double> direction_;
  double epsilon_ = 0;
  double here_ = 0;  // v . y of the inputs as they are
};

// Puts the gradients that captured leaves hold aside.
class GradientsAside {
 public:
  explicit GradientsAside(const std::vector<Checked>& checked) {
    for (const Checked& one : checked) {
      held_.emplace_back(one.leaf, grad(one.leaf));
      set_grad(one.leaf, {});
    }
  }
  ~GradientsAside() {
    for (const auto& [leaf, gradient] : held_) set_grad(leaf, gradient);
  }
  GradientsAside(const GradientsAside&) = delete;
  GradientsAside& operator=(const GradientsAside&) = delete;

 private:
  std::vector<std::pair<Tensor, Tensor>> held_;
};

bool holds(const std::vector<Checked>& checked, const Tensor& leaf) {
  return std::any_of(checked.begin(), checked.end(), [&](const Checked& one) { return one.leaf.is_same(leaf); });
}

}  // namespace

std::string gradcheck(const std::string& op, const Function& function, const std::vector<Tensor>& inputs,
                      const GradcheckOptions& options) {
  bool any = false;
  for (const Tensor& input : inputs) any = any || requires_grad(input);
  std::vector<Tensor> leaves;
  std::vector<Checked> checked;
  for (size_t k = 0; k < inputs.size(); ++k) {
    const Tensor& input = inputs[k];
    const bool is_checked = input.defined() && is_floating_point(input.dtype()) && (!any || requires_grad(input));
    leaves.push_back(is_checked && input.numel() > 0 ? leaf_like(input) : input);
    if (!is_checked) continue;
    set_requires_grad(leaves.back(), true);
    checked.push_back({fmt::format("input {}", k), leaves.back()});
  }

  const GradModeGuard recorded(true);
  Tensor y;
  {
    const tape::LeafList used;
    y = function(leaves);
    for (const auto& [name, leaf] : options.names)
      if (requires_grad(leaf) && !holds(checked, leaf)) checked.push_back({name, leaf});
    int captured = 0;
    for (const Tensor& leaf : used.leaves())
      if (!holds(checked, leaf)) checked.push_back({fmt::format("captured {} ({})", captured++, describe(leaf)), leaf});
  }
  Check check(op, function, leaves, options);
  if (const std::string problem = check.prepare(checked, y); !problem.empty()) return problem;
  if (!requires_grad(y)) return fmt::format("{}: the output does not require a gradient", op);
  const GradientsAside aside(checked);
  backward(y, check.direction(y));

  const NoGradGuard no_grad;
  if (!check.repeats())
    return fmt::format(
        "{}: the function gives other values when it is called again with the same inputs: it is random, "
        "or keeps a state",
        op);
  for (const Checked& one : checked)
    if (const std::string problem = check.compare(one); !problem.empty()) return problem;
  if (checked.size() > 1) {
    for (const Checked& one : checked)
      if (const std::string problem = check.compare_alone(checked, one); !problem.empty()) return problem;
  }
  return "";
}

}  // namespace bevgrad
