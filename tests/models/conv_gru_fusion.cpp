// The recurrent temporal fusion: which frames it sees, in which order, and what of them stays.
#include "models/conv_gru_fusion.h"

#include <gtest/gtest.h>

#include <cmath>

#include "geometry/pose.h"
#include "models/network_fixture.h"

namespace bevgrad {
namespace {

using namespace testing;

constexpr int64_t kRows = 8, kColumns = 12;
const BevGrid kGrid = tiny_options().grid;

/// `frames` where they were seen, from the vehicle's place of now; one sample.
History history_of(const std::vector<Tensor>& frames, const std::vector<double>& valid) {
  const auto count = static_cast<int64_t>(frames.size());
  History history{frames, zeros({1, count, 2, 3}, {DType::Float64}), from_values(valid, {1, count}, {DType::Bool})};
  for (int64_t k = 0; k < count; ++k) {
    history.feature_warp_matrix.data<double>()[k * 6] = 1;
    history.feature_warp_matrix.data<double>()[k * 6 + 4] = 1;
  }
  return history;
}

std::vector<Tensor> three_frames(const char* prefix) {
  std::vector<Tensor> frames;
  for (int k = 0; k < 3; ++k) frames.push_back(golden_tensor(fmt::format("{}{}", prefix, k), {1, 4, kRows, kColumns}));
  return frames;
}

Tensor parameter(ConvGruFusion& fusion, const std::string& name) {
  for (const auto& [known, tensor] : fusion.state_dict())
    if (known == name) return tensor;
  ADD_FAILURE() << name;
  return {};
}

TEST(ConvGruFusion, UntrainedIsTheCurrentFeatureBitForBit) {
  Generator generator(1);
  ConvGruFusion fusion(4, {.history = 3}, kGrid, generator);
  const Tensor current = golden_tensor("current", {1, 4, kRows, kColumns});
  EXPECT_EQ(fusion.forward(current, history_of(three_frames("h"), {1, 1, 1})).fused.to_vector(), current.to_vector());
  EXPECT_EQ(fusion.forward(current, {}).fused.to_vector(), current.to_vector());
}

TEST(ConvGruFusion, WhatStaysOfAFrameIsWhatTheLaterOnesKeep) {
  Generator generator(1);
  ConvGruFusion fusion(4, {.history = 3}, kGrid, generator);
  const NoGradGuard no_grad;
  for (const auto& [name, tensor] : fusion.state_dict()) ops::fill_(tensor, 0);
  ops::fill_(ops::narrow(parameter(fusion, "gates.bias"), 0, 0, 4), 0.4);  // z
  ops::fill_(parameter(fusion, "candidate.bias"), 0.3);
  ops::fill_(ops::select(ops::select(parameter(fusion, "out.weight"), 3, 0), 2, 0), 0.25);  // the channels' mean
  ops::fill_(parameter(fusion, "gamma"), 2);
  const double z = 1 / (1 + std::exp(-0.4)), n = std::tanh(0.3);
  const Tensor current = golden_tensor("current", {1, 4, kRows, kColumns});
  const auto output = fusion.forward(current, history_of(three_frames("h"), {1, 1, 1}));
  const double expected[] = {1 - z, z * (1 - z), z * z * (1 - z), z * z * z};
  for (int64_t k = 0; k < 4; ++k)
    for (const double share : ops::select(output.weights, 1, k).to_vector()) EXPECT_NEAR(share, expected[k], 1e-6);
  for (const double added : ops::sub(output.fused, current).to_vector()) EXPECT_NEAR(added, 2 * n, 1e-5);
  // A frame that is not there keeps what was there before.
  const auto without = fusion.forward(current, history_of(three_frames("h"), {1, 0, 1}));
  const double rest[] = {1 - z, z * (1 - z), 0, z * z};
  for (int64_t k = 0; k < 4; ++k)
    for (const double share : ops::select(without.weights, 1, k).to_vector()) EXPECT_NEAR(share, rest[k], 1e-6);
}

TEST(ConvGruFusion, MaskedFramesHaveNoInfluenceAndOthersHave) {
  Generator generator(1);
  ConvGruFusion fusion(4, {.history = 3}, kGrid, generator);
  golden_fill(fusion.state_dict());
  const NoGradGuard no_grad;
  const Tensor current = golden_tensor("current", {1, 4, kRows, kColumns});
  std::vector<Tensor> frames = three_frames("h");
  const auto first = fusion.forward(current, history_of(frames, {1, 0, 1}));
  frames[1] = golden_tensor("other", current.sizes());
  EXPECT_EQ(fusion.forward(current, history_of(frames, {1, 0, 1})).fused.to_vector(), first.fused.to_vector());
  for (const double share : ops::select(first.weights, 1, 2).to_vector()) EXPECT_EQ(share, 0);
  for (const double sum : ops::sum(first.weights, {1}).to_vector()) EXPECT_NEAR(sum, 1, 1e-6);
  frames[2] = golden_tensor("another", current.sizes());
  EXPECT_NE(fusion.forward(current, history_of(frames, {1, 0, 1})).fused.to_vector(), first.fused.to_vector());
  // The order is told apart: what was seen last weighs otherwise than what was seen first.
  std::swap(frames[0], frames[2]);
  EXPECT_NE(fusion.forward(current, history_of(frames, {1, 0, 1})).fused.to_vector(),
            fusion.forward(current, history_of({frames[2], frames[1], frames[0]}, {1, 0, 1})).fused.to_vector());
}

TEST(ConvGruFusion, EveryParameterLearns) {
  Generator generator(1);
  ConvGruFusion fusion(4, {.history = 3}, kGrid, generator);
  golden_fill(fusion.state_dict());
  const Tensor current = golden_tensor("current", {1, 4, kRows, kColumns});
  const auto output = fusion.forward(current, history_of(three_frames("h"), {1, 1, 0}));
  backward(output.fused, golden_tensor("dy", current.sizes()));
  for (const auto& [name, value] : fusion.named_parameters()) {
    double largest = 0;
    ASSERT_TRUE(grad(value).defined()) << name;
    for (const double slope : grad(value).to_vector()) largest = std::max(largest, std::abs(slope));
    EXPECT_GT(largest, 1e-6) << name;
  }
}

}  // namespace
}  // namespace bevgrad
