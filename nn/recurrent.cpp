#include "nn/recurrent.h"

#include <algorithm>
#include <cmath>

#include "autograd/functions/activations.h"
#include "autograd/functions/arrange.h"
#include "autograd/functions/dropout.h"
#include "autograd/functions/linear.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/shape.h"
#include "nn/module_call.h"

namespace bevgrad {
namespace {

// (1 - z) n + z h with r, z, n of a GRU: `input` and `hidden` are both sides' shares of the gates, along `dim`.
Tensor gru_step(const Tensor& input, const Tensor& hidden, const Tensor& h, int dim) {
  const std::vector<Tensor> x = chunk(input, 3, dim), s = chunk(hidden, 3, dim);
  const Tensor reset = sigmoid(add(x[0], s[0])), update = sigmoid(add(x[1], s[1]));
  const Tensor fresh = tanh(add(x[2], mul(reset, s[2])));
  return add(fresh, mul(update, sub(h, fresh)));
}

}  // namespace

Recurrent::Recurrent(const char* name, const RecurrentSpec& spec, int gates, int states)
    : name_(name), spec_(spec), states_(states), generator_(spec.seed) {
  check(spec.input_size > 0 && spec.hidden_size > 0 && spec.num_layers > 0,
        "{}: input_size {}, hidden_size {} and num_layers {} must be positive", name, spec.input_size, spec.hidden_size,
        spec.num_layers);
  const int directions = spec.bidirectional ? 2 : 1;
  const int64_t rows = gates * spec.hidden_size;
  for (int layer = 0; layer < spec.num_layers; ++layer)
    for (int way = 0; way < directions; ++way) {
      const std::string suffix = "_l" + std::to_string(layer) + (way == 1 ? "_reverse" : "");
      const int64_t inputs = layer == 0 ? spec.input_size : directions * spec.hidden_size;
      Weights weights;
      weights.input = register_parameter("weight_ih" + suffix, zeros({rows, inputs}));
      weights.hidden = register_parameter("weight_hh" + suffix, zeros({rows, spec.hidden_size}));
      if (spec.bias) {
        weights.input_bias = register_parameter("bias_ih" + suffix, zeros({rows}));
        weights.hidden_bias = register_parameter("bias_hh" + suffix, zeros({rows}));
      }
      weights_.push_back(weights);
    }
}

void Recurrent::draw_parameters(Generator& generator) {
  const double bound = 1 / std::sqrt(static_cast<double>(spec_.hidden_size));
  for (const Weights& weights : weights_)
    for (const Tensor* tensor : {&weights.input, &weights.hidden, &weights.input_bias, &weights.hidden_bias})
      if (tensor->defined()) init::uniform(*tensor, -bound, bound, generator);
}

// x [L,N,..] -> [L,N,hidden]; `state` becomes the last one.
Tensor Recurrent::direction(const Tensor& x, const Weights& weights, State& state, bool backwards) const {
  std::vector<Tensor> steps = unbind(linear(x, weights.input, weights.input_bias), 0), outputs;
  if (backwards) std::reverse(steps.begin(), steps.end());
  for (Tensor& part : state) part = to(part, steps[0].dtype());  // autocast may have changed it
  for (const Tensor& gates : steps) {
    state = step(gates, state, weights);
    outputs.push_back(state[0]);
  }
  if (backwards) std::reverse(outputs.begin(), outputs.end());
  return stack(outputs, 0);
}

Recurrent::Run Recurrent::run(const Tensor& x, const State& initial) {
  return module_call(*this, [&] {
    tape::check_defined(name_, {{"x", x}});
    check(x.dim() == 3 && x.size(2) == spec_.input_size && x.size(0) > 0 && x.size(1) > 0,
          "{}: input {}, expected {} with {} features", name_, to_string(x.sizes()),
          spec_.batch_first ? "[N,L,input]" : "[L,N,input]", spec_.input_size);
    Tensor sequence = spec_.batch_first ? transpose(x, 0, 1) : x;
    const size_t ways = spec_.bidirectional ? 2 : 1;
    const Shape expected{static_cast<int64_t>(weights_.size()), sequence.size(1), spec_.hidden_size};
    for (const Tensor& state : initial)
      check(!state.defined() || state.sizes() == expected, "{}: an initial state is {}, expected {}", name_,
            describe(state), to_string(expected));
    std::vector<std::vector<Tensor>> last(static_cast<size_t>(states_));
    for (size_t layer = 0; layer * ways < weights_.size(); ++layer) {
      if (layer > 0 && spec_.dropout > 0 && training() && !frozen())
        sequence = dropout(sequence, spec_.dropout, generator_);
      std::vector<Tensor> outputs;
      for (size_t way = 0; way < ways; ++way) {
        const size_t at = layer * ways + way;
        State state;
        for (const Tensor& given : initial)
          state.push_back(given.defined() ? select(given, 0, static_cast<int64_t>(at))
                                          : zeros({sequence.size(1), spec_.hidden_size}, {x.dtype(), {}, x.device()}));
        outputs.push_back(direction(sequence, weights_[at], state, way == 1));
        for (size_t s = 0; s < last.size(); ++s) last[s].push_back(state[s]);
      }
      sequence = ways == 1 ? outputs[0] : cat(outputs, -1);
    }
    Run result{spec_.batch_first ? transpose(sequence, 0, 1) : sequence, {}};
    for (const auto& states : last) result.last.push_back(stack(states, 0));
    return result;
  });
}

Recurrent::State LSTM::step(const Tensor& gates, const State& state, const Weights& weights) const {
  const std::vector<Tensor> parts = chunk(add(gates, linear(state[0], weights.hidden, weights.hidden_bias)), 4, -1);
  const Tensor cell = add(mul(sigmoid(parts[1]), state[1]), mul(sigmoid(parts[0]), tanh(parts[2])));
  return {mul(sigmoid(parts[3]), tanh(cell)), cell};
}

LSTMResult LSTM::forward(const Tensor& x, const Tensor& h_0, const Tensor& c_0) {
  const Run result = run(x, {h_0, c_0});
  return {result.output, result.last[0], result.last[1]};
}

Recurrent::State GRU::step(const Tensor& gates, const State& state, const Weights& weights) const {
  return {gru_step(gates, linear(state[0], weights.hidden, weights.hidden_bias), state[0], -1)};
}

GRUResult GRU::forward(const Tensor& x, const Tensor& h_0) {
  const Run result = run(x, {h_0});
  return {result.output, result.last[0]};
}

ConvGRU::ConvGRU(int64_t in_channels, int64_t hidden_channels, int kernel)
    : hidden_(hidden_channels),
      conv_ih_(in_channels, 3 * hidden_channels, {.kernel = kernel, .padding = kernel / 2}),
      conv_hh_(hidden_channels, 3 * hidden_channels, {.kernel = kernel, .padding = kernel / 2}) {
  check(kernel % 2 == 1, "ConvGRU: the kernel is {}, expected an odd one", kernel);
  register_module("conv_ih", conv_ih_);
  register_module("conv_hh", conv_hh_);
}

Tensor ConvGRU::forward(const Tensor& x, const Tensor& h) {
  return module_call(*this, [&] {
    check(x.dim() == 4, "ConvGRU: input {}, expected [N,C,H,W]", to_string(x.sizes()));
    const Shape sizes{x.size(0), hidden_, x.size(2), x.size(3)};
    check(!h.defined() || h.sizes() == sizes, "ConvGRU: the state is {}, expected {}",
          h.defined() ? to_string(h.sizes()) : "", to_string(sizes));
    const Tensor gates = conv_ih_.forward(x);
    const Tensor state = h.defined() ? h : zeros(sizes, {gates.dtype(), MemoryFormat::ChannelsLast, x.device()});
    const Tensor hidden = conv_hh_.forward(state);
    return gru_step(gates, hidden, to(state, gates.dtype()), 1);
  });
}

}  // namespace bevgrad
