#include "nn/check_module.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "autograd/autocast.h"
#include "autograd/checkpoint.h"
#include "tensor/random.h"
#include "tensor/thread_count.h"

namespace bevgrad {
namespace {

bool same_bits(const Tensor& a, const Tensor& b) {
  if (a.sizes() != b.sizes() || a.dtype() != b.dtype()) return false;
  const Tensor x = ops::contiguous(detach(a)), y = ops::contiguous(detach(b));
  return std::memcmp(x.const_raw_data(), y.const_raw_data(), x.nbytes()) == 0;
}

// Largest difference as a part of the largest value of `expected`; infinity where something is not finite.
double difference(const Tensor& actual, const Tensor& expected) {
  const auto a = actual.to_vector(), e = expected.to_vector();
  double largest = 1e-30, apart = 0;
  for (size_t i = 0; i < e.size(); ++i) {
    largest = std::max(largest, std::abs(e[i]));
    apart = std::isfinite(a[i]) ? std::max(apart, std::abs(a[i] - e[i])) : INFINITY;
  }
  return apart / largest;
}

std::vector<Tensor> copies(const NamedTensors& tensors) {
  std::vector<Tensor> result;
  for (const auto& [name, tensor] : tensors) result.push_back(ops::clone(detach(tensor)));
  return result;
}

void restore(const NamedTensors& tensors, const std::vector<Tensor>& values) {
  const NoGradGuard no_grad;
  for (size_t i = 0; i < values.size(); ++i) ops::copy_(tensors[i].second, values[i]);
}

// Values, modes and gradients as they were, whatever was tried.
class Kept {
 public:
  explicit Kept(Module& module) : module_(module), values_(copies(module.state_dict())) {
    module.visit([this](const std::string&, Module& m) { modes_.push_back({&m, m.training(), m.frozen()}); });
    for (const auto& [name, parameter] : module.named_parameters())
      gradients_.push_back({parameter, grad(parameter), requires_grad(parameter)});
  }
  ~Kept() {
    // Parents first: what a child had last stands.
    for (const Mode& mode : modes_) {
      mode.module->set_training(mode.training);
      mode.module->set_frozen(mode.frozen);
    }
    restore(module_.state_dict(), values_);
    for (const auto& [parameter, gradient, wanted] : gradients_) {
      set_grad(parameter, gradient);
      set_requires_grad(parameter, wanted);
    }
  }
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;

  void restore_values() { restore(module_.state_dict(), values_); }

 private:
  struct Mode {
    Module* module;
    bool training, frozen;
  };
  struct Gradient {
    Tensor parameter, gradient;
    bool wanted;
  };
  Module& module_;
  std::vector<Tensor> values_;
  std::vector<Mode> modes_;
  std::vector<Gradient> gradients_;
};

using Function = std::function<Tensor(const std::vector<Tensor>&)>;

struct Pass {
  Tensor output;
  std::vector<Tensor> gradients;  // of inputs, then of parameters
  std::vector<Tensor> buffers;
};

class ModuleCheck {
 public:
  ModuleCheck(const std::string& name, Module& module, const Function& forward, const std::vector<Tensor>& inputs,
              const CheckModuleOptions& options)
      : name_(name), module_(module), forward_(forward), inputs_(inputs), options_(options), kept_(module) {}

  std::string run() {
    using Step = std::string (ModuleCheck::*)();
    for (const Step step :
         {&ModuleCheck::repeats, &ModuleCheck::state_dict, &ModuleCheck::freezing, &ModuleCheck::recomputing,
          &ModuleCheck::autocast, &ModuleCheck::devices, &ModuleCheck::gradients}) {
      module_.set_frozen(false);
      module_.set_training(false);
      kept_.restore_values();
      clear_gradients();
      if (const std::string problem = (this->*step)(); !problem.empty()) return name_ + ": " + problem;
    }
    return "";
  }

 private:
  Tensor evaluate() const {
    const NoGradGuard no_grad;
    return forward_(inputs_);
  }

  void clear_gradients() {
    for (const auto& [name, parameter] : module_.named_parameters()) set_grad(parameter, {});
  }

  std::vector<Tensor> leaves() const {
    std::vector<Tensor> result;
    for (const Tensor& input : inputs_) {
      result.push_back(input.defined() ? ops::clone(detach(input)) : input);
      if (input.defined() && is_floating_point(input.dtype())) set_requires_grad(result.back(), true);
    }
    return result;
  }

  // Forward and backward from the values as they were.
  Pass pass(const Function& forward) {
    kept_.restore_values();
    clear_gradients();
    const std::vector<Tensor> inputs = leaves();
    Pass result;
    result.output = forward(inputs);
    const Tensor dy = Generator(17).uniform(result.output.sizes(), -1, 1, {result.output.dtype()});
    if (requires_grad(result.output)) backward(result.output, dy);
    for (const Tensor& input : inputs) result.gradients.push_back(input.defined() ? grad(input) : Tensor());
    for (const auto& [name, parameter] : module_.named_parameters()) result.gradients.push_back(grad(parameter));
    result.buffers = copies(module_.named_buffers());
    return result;
  }

  std::string repeats() {
    const Tensor first = evaluate();
    if (!same_bits(evaluate(), first)) return "in evaluation, the same call gives other values";
    const std::vector<Tensor> before = copies(module_.named_buffers());
    evaluate();
    const NamedTensors buffers = module_.named_buffers();
    for (size_t i = 0; i < before.size(); ++i)
      if (!same_bits(buffers[i].second, before[i]))
        return fmt::format("evaluation changes the buffer {}", buffers[i].first);
    for (const int count : {1, 2, 3}) {
      const ThreadCount threads(count);
      if (!same_bits(evaluate(), first)) return fmt::format("with {} threads the output has other bits", count);
    }
    return "";
  }

  std::string state_dict() {
    const NamedTensors state = module_.state_dict();
    if (state.empty()) return "";
    const Tensor expected = evaluate();
    const std::vector<Tensor> values = copies(state);
    for (const auto& [name, tensor] : state) {
      if (!is_floating_point(tensor.dtype())) continue;
      const NoGradGuard no_grad;
      ops::copy_(tensor, Generator(3).uniform(tensor.sizes(), 0.5, 1.5, {tensor.dtype()}));
    }
    if (same_bits(evaluate(), expected)) return "other values in state_dict() do not change the output";
    restore(state, values);
    return same_bits(evaluate(), expected) ? "" : "the values of state_dict() put back do not give the same output";
  }

  std::string freezing() {
    const Tensor expected = evaluate();
    module_.set_training(true);
    module_.set_frozen(true);
    const Pass frozen = pass(forward_);
    if (difference(frozen.output, expected) > 1e-5) return "frozen, it does not give the output of evaluation";
    const NamedTensors parameters = module_.named_parameters();
    for (size_t i = 0; i < parameters.size(); ++i)
      if (frozen.gradients[inputs_.size() + i].defined())
        return fmt::format("frozen, the parameter {} got a gradient", parameters[i].first);
    return "";
  }

  std::string recomputing() {
    module_.set_training(true);
    const Pass plain = pass(forward_);
    const NamedTensors parameters = module_.named_parameters();
    std::vector<Tensor> leaves;
    for (const auto& [name, parameter] : parameters) leaves.push_back(parameter);
    const Pass again = pass([&](const std::vector<Tensor>& x) { return checkpoint(forward_, x, leaves); });
    if (!same_bits(again.output, plain.output)) return "recomputed by checkpoint(), the output differs";
    for (size_t i = 0; i < plain.gradients.size(); ++i) {
      const bool is_input = i < inputs_.size();
      const std::string what = is_input ? fmt::format("input {}", i) : parameters[i - inputs_.size()].first;
      if (!plain.gradients[i].defined()) {
        if (is_input && (!inputs_[i].defined() || !is_floating_point(inputs_[i].dtype()))) continue;
        return fmt::format("{} got no gradient in training: does it take part in the output?", what);
      }
      if (difference(again.gradients[i], plain.gradients[i]) > 1e-6)
        return fmt::format("recomputed by checkpoint(), the gradient of {} differs", what);
    }
    const NamedTensors buffers = module_.named_buffers();
    for (size_t i = 0; i < buffers.size(); ++i)
      if (!same_bits(again.buffers[i], plain.buffers[i]))
        return fmt::format("recomputed by checkpoint(), the buffer {} differs: is it updated in both runs?",
                           buffers[i].first);
    return "";
  }

  std::string autocast() {
    if (options_.autocast_tolerance < 0) return "";
    const Tensor expected = evaluate();
    const AutocastGuard guard(DType::BFloat16);
    const double apart = difference(evaluate(), expected);
    if (!(apart <= options_.autocast_tolerance))
      return fmt::format("under autocast the output is off by {:.3g} of its largest value", apart);
    module_.set_training(true);
    const Pass mixed = pass(forward_);
    const NamedTensors parameters = module_.named_parameters();
    for (size_t i = 0; i < parameters.size(); ++i) {
      const Tensor& gradient = mixed.gradients[inputs_.size() + i];
      if (gradient.defined() && gradient.dtype() != DType::Float32)
        return fmt::format("under autocast the gradient of {} is {}", parameters[i].first, describe(gradient));
    }
    return "";
  }

  std::string devices() {
    const Tensor expected = evaluate();
    const Device home = module_.device();
    for (int index = 0; index < cuda_device_count(); ++index) {
      const Device device{DeviceKind::CUDA, index};
      module_.move_to(device);
      std::vector<Tensor> inputs;
      for (const Tensor& input : inputs_) inputs.push_back(input.defined() ? ops::to(detach(input), device) : input);
      double apart = 0;
      {
        const NoGradGuard no_grad;
        apart = difference(forward_(inputs), expected);
      }
      module_.move_to(home);
      if (!(apart <= options_.device_tolerance))
        return fmt::format("on {} the output is off by {:.3g} of its largest value", to_string(device), apart);
    }
    return "";
  }

  std::string gradients() {
    if (!options_.gradients) return "";
    for (const bool training : {false, true}) {
      module_.set_training(training);
      const std::string problem =
          gradcheck(training ? "in training" : "in evaluation", module_, forward_, inputs_, options_.gradcheck);
      if (!problem.empty()) return problem;
    }
    return "";
  }

  const std::string& name_;
  Module& module_;
  const Function& forward_;
  const std::vector<Tensor>& inputs_;
  const CheckModuleOptions& options_;
  Kept kept_;
};

}  // namespace

std::string check_module(const std::string& name, Module& module, const Function& forward,
                         const std::vector<Tensor>& inputs, const CheckModuleOptions& options) {
  return ModuleCheck(name, module, forward, inputs, options).run();
}

}  // namespace bevgrad
