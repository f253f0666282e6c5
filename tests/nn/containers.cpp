// Containers of modules, and how layers draw what they start with.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "autograd/functions.h"
#include "nn/attention.h"
#include "nn/conv.h"
#include "nn/embedding.h"
#include "nn/layer_norm.h"
#include "nn/recurrent.h"
#include "nn/sequential.h"
#include "support/error_of.h"

namespace bevgrad {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> names(const Module& module) {
  std::vector<std::string> result;
  for (const auto& [name, tensor] : module.state_dict()) result.push_back(name);
  return result;
}

TEST(Sequential, TakesLayersOfAnyKindAndFunctions) {
  Sequential<> net;
  net.emplace<Conv2d>(1, 2, ConvSpec{.kernel = 3, .padding = 1});
  net.append(relu);
  net.append([](const Tensor& x) { return reshape(x, {x.size(0), -1}); });
  net.emplace<Linear>(2 * 4 * 4, 3);
  EXPECT_THAT(names(net), ElementsAre("0.weight", "0.bias", "3.weight", "3.bias"));
  Generator generator(1);
  init::reset_parameters(net, generator);
  EXPECT_EQ(net.forward(ones({5, 1, 4, 4})).sizes(), (Shape{5, 3}));
  EXPECT_EQ(net.size(), 4u);
}

TEST(ModuleDict, FindsByNameInOrder) {
  ModuleDict<Linear> heads;
  heads.emplace("road", 2, 1);
  heads.emplace("car", 2, 3);
  EXPECT_THAT(names(heads), ElementsAre("road.weight", "road.bias", "car.weight", "car.bias"));
  EXPECT_TRUE(heads.contains("car"));
  EXPECT_FALSE(heads.contains("bus"));
  EXPECT_EQ(heads["car"].weight.sizes(), (Shape{3, 2}));
  EXPECT_EQ(bevgrad::testing::error_of([&] { heads["bus"]; }), "ModuleDict: no module is called bus");
  EXPECT_EQ(heads.begin()->first, "road");
}

// Bounds and constants that PyTorch's layers start with.
TEST(Draws, AreThoseOfPyTorchsLayers) {
  Generator generator(1);
  const auto largest = [](const Tensor& x) { return ops::max(ops::abs(ops::reshape(detach(x), {-1})), 0).item(); };
  MultiheadAttention attention({.embed_dim = 16, .num_heads = 2});
  init::reset_parameters(attention, generator);
  const double xavier = std::sqrt(6.0 / (16 + 48));
  EXPECT_LT(largest(attention.in_proj_weight), xavier);
  EXPECT_GT(largest(attention.in_proj_weight), 0.95 * xavier);
  EXPECT_EQ(largest(attention.in_proj_bias), 0);
  EXPECT_EQ(largest(attention.state_dict()[3].second), 0);  // out_proj.bias
  EXPECT_GT(largest(attention.state_dict()[2].second), 0.2);
  GRU gru({.input_size = 30, .hidden_size = 25});
  init::reset_parameters(gru, generator);
  for (const auto& [name, tensor] : gru.named_parameters()) {
    EXPECT_LE(largest(tensor), 0.2) << name;
    EXPECT_GT(largest(tensor), 0.19) << name;
  }
  Embedding table(50, 8, 3);
  init::reset_parameters(table, generator);
  EXPECT_EQ(largest(ops::select(detach(table.weight), 0, 3)), 0);
  EXPECT_GT(largest(table.weight), 2);
  LayerNorm norm({3});
  init::constant(norm.weight, 5);
  init::reset_parameters(norm, generator);
  EXPECT_THAT(norm.weight.to_vector(), ElementsAre(1, 1, 1));
}

}  // namespace
}  // namespace bevgrad
