// Layers against PyTorch: tests/golden/nn/make_layers.py.
#include <gtest/gtest.h>

#include "autograd/functions.h"
#include "nn/attention.h"
#include "nn/recurrent.h"
#include "nn/transformer.h"
#include "support/devices.h"
#include "support/golden.h"

namespace bevgrad::testing {
namespace {

using Tensors = std::vector<Tensor>;

struct Input {
  std::string name;
  Shape sizes;
};

// Outputs, and the gradients of inputs and parameters, on every device.
template <class M>
void expect_golden(const std::string& name, M& module, const std::vector<Input>& inputs,
                   const std::function<Tensors(M&, const Tensors&)>& forward) {
  static const auto golden = load_golden("nn/layers.golden");
  golden_fill(module.state_dict(name));
  for (const Device device : test_devices()) {
    SCOPED_TRACE(name + " on " + to_string(device));
    module.move_to(device);
    for (const auto& [parameter, tensor] : module.named_parameters()) set_grad(tensor, {});
    Tensors leaves;
    for (const Input& input : inputs) {
      leaves.push_back(ops::to(golden_tensor(name + "." + input.name, input.sizes), device));
      set_requires_grad(leaves.back(), true);
    }
    const Tensors outputs = forward(module, leaves);
    Tensor total;
    for (size_t i = 0; i < outputs.size(); ++i) {
      const std::string number = std::to_string(i);
      EXPECT_LT(relative_error(detach(outputs[i]), golden.at(name + ".y" + number)), 2e-6) << "output " << i;
      const Tensor dy = ops::to(golden_tensor(name + ".dy" + number, outputs[i].sizes()), device);
      const Tensor share = sum(mul(outputs[i], dy));
      total = i == 0 ? share : add(total, share);
    }
    backward(total);
    for (size_t i = 0; i < inputs.size(); ++i)
      EXPECT_LT(relative_error(grad(leaves[i]), golden.at(name + ".d." + inputs[i].name)), 5e-6) << inputs[i].name;
    for (const auto& [parameter, tensor] : module.named_parameters())
      EXPECT_LT(relative_error(grad(tensor), golden.at(name + ".d." + parameter), 1e-3), 5e-6) << parameter;
  }
}

Tensor flags(const std::vector<double>& values, const Shape& sizes, const Tensor& like) {
  return ops::to(from_values(values, sizes, {DType::Bool}), like.device());
}
Tensor padding(const Tensor& like) {
  return flags({0, 0, 0, 1, 1, 0, 0, 0, 0, 0}, {2, 5}, like);
}
Tensor blocked(const Tensor& like) {
  return flags({0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 1, 0, 0}, {4, 5}, like);
}

TEST(GoldenLayers, MultiheadAttention) {
  const std::vector<Input> inputs{{"query", {4, 2, 8}}, {"key", {5, 2, 8}}, {"value", {5, 2, 8}}};
  const auto run = [](MultiheadAttention& m, const Tensors& t, MultiheadAttentionOptions options) {
    options.need_weights = true;
    const auto result = m.forward(t[0], t[1], t[2], options);
    options.need_weights = false;
    const Tensor again = m.forward(t[0], t[1], t[2], options).output;
    EXPECT_LT(relative_error(detach(again), detach(result.output)), 1e-6);
    return Tensors{result.output, result.weights};
  };
  using Function = std::function<Tensors(MultiheadAttention&, const Tensors&)>;
  MultiheadAttention plain({.embed_dim = 8, .num_heads = 2});
  expect_golden("mha", plain, inputs, Function([&](auto& m, const Tensors& t) { return run(m, t, {}); }));
  expect_golden("mha_masks", plain, inputs, Function([&](auto& m, const Tensors& t) {
                  return run(m, t, {.key_padding_mask = padding(t[0]), .attn_mask = blocked(t[0])});
                }));
  MultiheadAttention other({.embed_dim = 8, .num_heads = 4, .kdim = 6, .vdim = 5, .batch_first = true});
  expect_golden("mha_other", other,
                {{"query", {2, 4, 8}}, {"key", {2, 5, 6}}, {"value", {2, 5, 5}}, {"attn_mask", {8, 4, 5}}},
                Function([&](auto& m, const Tensors& t) {
                  return run(m, t, {.attn_mask = t[3], .average_attn_weights = false});
                }));
}

TEST(GoldenLayers, Transformer) {
  const TransformerLayerSpec post{.d_model = 8, .nhead = 2, .dim_feedforward = 12, .dropout = 0};
  TransformerLayerSpec first = post;
  first.activation = TransformerActivation::Gelu;
  first.batch_first = first.norm_first = true;
  TransformerLayerSpec bare = first;
  bare.bias = false;
  using Encoder = std::function<Tensors(TransformerEncoderLayer&, const Tensors&)>;
  using Decoder = std::function<Tensors(TransformerDecoderLayer&, const Tensors&)>;
  TransformerEncoderLayer encoder(post), encoder_first(bare);
  expect_golden("encoder", encoder, {{"src", {4, 2, 8}}},
                Encoder([](auto& m, const Tensors& t) { return Tensors{m.forward(t[0], {.is_causal = true})}; }));
  expect_golden("encoder_first", encoder_first, {{"src", {2, 5, 8}}}, Encoder([](auto& m, const Tensors& t) {
                  return Tensors{m.forward(t[0], {.src_key_padding_mask = padding(t[0])})};
                }));
  TransformerDecoderLayer decoder(post), decoder_first(first);
  expect_golden(
      "decoder", decoder, {{"tgt", {4, 2, 8}}, {"memory", {5, 2, 8}}}, Decoder([](auto& m, const Tensors& t) {
        return Tensors{m.forward(t[0], t[1], {.memory_key_padding_mask = padding(t[0]), .tgt_is_causal = true})};
      }));
  expect_golden("decoder_first", decoder_first, {{"tgt", {2, 4, 8}}, {"memory", {2, 5, 8}}},
                Decoder([](auto& m, const Tensors& t) {
                  return Tensors{m.forward(t[0], t[1], {.memory_mask = blocked(t[0])})};
                }));
}

TEST(GoldenLayers, Recurrent) {
  using Lstm = std::function<Tensors(LSTM&, const Tensors&)>;
  using Gru = std::function<Tensors(GRU&, const Tensors&)>;
  const RecurrentSpec deep{
      .input_size = 3, .hidden_size = 4, .num_layers = 2, .batch_first = true, .bidirectional = true};
  LSTM lstm({.input_size = 3, .hidden_size = 4}), deep_lstm(deep);
  expect_golden("lstm", lstm, {{"x", {5, 2, 3}}}, Lstm([](auto& m, const Tensors& t) {
                  const auto [y, h, c] = m.forward(t[0]);
                  return Tensors{y, h, c};
                }));
  expect_golden("lstm_deep", deep_lstm, {{"x", {2, 5, 3}}, {"h_0", {4, 2, 4}}, {"c_0", {4, 2, 4}}},
                Lstm([](auto& m, const Tensors& t) {
                  const auto [y, h, c] = m.forward(t[0], t[1], t[2]);
                  return Tensors{y, h, c};
                }));
  GRU gru({.input_size = 3, .hidden_size = 4, .bias = false}), deep_gru(deep);
  expect_golden("gru", gru, {{"x", {5, 2, 3}}}, Gru([](auto& m, const Tensors& t) {
                  const auto [y, h] = m.forward(t[0]);
                  return Tensors{y, h};
                }));
  expect_golden("gru_deep", deep_gru, {{"x", {2, 5, 3}}, {"h_0", {4, 2, 4}}}, Gru([](auto& m, const Tensors& t) {
                  const auto [y, h] = m.forward(t[0], t[1]);
                  return Tensors{y, h};
                }));
}

}  // namespace
}  // namespace bevgrad::testing
