// Recurrent layers, with PyTorch's parameter names: LSTM (Hochreiter and Schmidhuber, 1997) and GRU (Cho et al., 2014)
// over sequences, and a GRU over maps.
#pragma once
#include <vector>

#include "nn/conv.h"
#include "nn/dropout.h"
#include "nn/module.h"

namespace bevgrad {

struct RecurrentSpec {
  int64_t input_size = 0, hidden_size = 0;
  int num_layers = 1;
  bool bias = true;
  /// x is [N,L,input] instead of [L,N,input], and so is the output.
  bool batch_first = false;
  /// Between layers, in training.
  double dropout = 0;
  bool bidirectional = false;
  uint64_t seed = 0;  ///< of the dropout's draws
};

/// What LSTM and GRU share: `weight_ih_l0` [gates hidden,input], `weight_hh_l0` [gates hidden,hidden], `bias_ih_l0`,
/// `bias_hh_l0` [gates hidden] and so on for every layer, with `_reverse` for the way back.
class Recurrent : public Module {
 public:
  /// Uniform in +-1 / sqrt(hidden).
  void draw_parameters(Generator& generator) override;

 protected:
  using State = std::vector<Tensor>;  // [N,hidden] each; the first is the output
  struct Weights {
    Tensor input, hidden, input_bias, hidden_bias;
  };
  struct Run {
    Tensor output;
    State last;  // [layers * directions,N,hidden] each

    template <class F>
    friend void each_output(Run& run, F&& f) {
      f(run.output);
      for (Tensor& state : run.last) f(state);
    }
  };

  Recurrent(const char* name, const RecurrentSpec& spec, int gates, int states);
  /// `initial`: as Run::last, or undefined tensors for zeros.
  Run run(const Tensor& x, const State& initial);
  /// One step: `gates` is the input's share [N,gates hidden] with its bias.
  virtual State step(const Tensor& gates, const State& state, const Weights& weights) const = 0;

 private:
  Tensor direction(const Tensor& x, const Weights& weights, State& state, bool backwards) const;

  const char* name_;
  RecurrentSpec spec_;
  int states_;
  std::vector<Weights> weights_;  // of layer 0, layer 0 back, layer 1, ...
  Generator generator_;
};

struct LSTMResult {
  Tensor output;    ///< [L,N,directions * hidden] (or [N,L,..]): the last layer's hidden states
  Tensor h_n, c_n;  ///< [layers * directions,N,hidden]
};

/// Gates in the order input, forget, cell, output.
class LSTM : public Recurrent {
 public:
  explicit LSTM(const RecurrentSpec& spec) : Recurrent("LSTM", spec, 4, 2) {}
  /// h_0 and c_0 [layers * directions,N,hidden], or undefined for zeros.
  LSTMResult forward(const Tensor& x, const Tensor& h_0 = {}, const Tensor& c_0 = {});

 private:
  State step(const Tensor& gates, const State& state, const Weights& weights) const override;
};

struct GRUResult {
  Tensor output;  ///< as the LSTM's
  Tensor h_n;
};

/// Gates in the order reset, update, new; the reset gate is applied behind the hidden product, as cuDNN and PyTorch do.
class GRU : public Recurrent {
 public:
  explicit GRU(const RecurrentSpec& spec) : Recurrent("GRU", spec, 3, 1) {}
  GRUResult forward(const Tensor& x, const Tensor& h_0 = {});

 private:
  State step(const Tensor& gates, const State& state, const Weights& weights) const override;
};

/// A GRU whose products are convolutions (Ballas et al., "Delving deeper into convolutional networks for learning video
/// representations", 2016): one step from x [N,in,H,W] and h [N,hidden,H,W] (undefined: zeros) to the next h. Children
/// `conv_ih` and `conv_hh`, kernels of an odd size, gates as the GRU's.
class ConvGRU : public Module {
 public:
  ConvGRU(int64_t in_channels, int64_t hidden_channels, int kernel = 3);
  Tensor forward(const Tensor& x, const Tensor& h = {});

 private:
  int64_t hidden_;
  Conv2d conv_ih_, conv_hh_;
};

}  // namespace bevgrad
