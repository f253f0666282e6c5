// The optimizer's state shared out among ranks: the bits of a run that keeps it whole.
#include "train/data_parallel/optimizer_shards.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <mutex>

#include "autograd/autograd.h"
#include "distributed/ranks.h"
#include "optim/adamw.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

/// Values that differ everywhere; a tensor of four dimensions lies channels-last, as weights of convolutions do.
Tensor values(Shape sizes, double scale, Device device) {
  const Tensor tensor =
      empty(sizes, {.format = sizes.size() == 4 ? MemoryFormat::ChannelsLast : MemoryFormat::Contiguous});
  for (int64_t i = 0; i < tensor.numel(); ++i)
    tensor.data<float>()[i] = static_cast<float>(scale * std::sin(static_cast<double>(i + 1) * 0.7));
  return ops::to(tensor, device);
}

std::vector<OptimizedParameter> parameters(Device device) {
  std::vector<OptimizedParameter> all;
  const std::vector<Shape> shapes = {{7}, {8, 3, 3, 3}, {1}, {5, 4}, {16, 8, 1, 1}, {33}};
  for (size_t i = 0; i < shapes.size(); ++i)
    all.push_back({fmt::format("p{}", i), values(shapes[i], 1, device), 1.0, true});
  return all;
}

/// One that has no gradient in the first steps gets its state later.
void set_gradients(const std::vector<OptimizedParameter>& parameters, int step, Device device) {
  for (size_t i = 0; i < parameters.size(); ++i)
    set_grad(parameters[i].value,
             i == 3 && step < 2 ? Tensor() : values(parameters[i].value.sizes(), 0.1 * (step + 1), device));
}

bool same_bits(const Tensor& a, const Tensor& b) {
  const Tensor x = ops::contiguous(ops::to(detach(a), Device())), y = ops::contiguous(ops::to(detach(b), Device()));
  return x.sizes() == y.sizes() && std::memcmp(x.raw_data(), y.raw_data(), x.nbytes()) == 0;
}

class Sharded : public testing::TestWithParam<Setting> {};

TEST_P(Sharded, GivesTheBitsOfAWholeOneAndGathersItsState) {
  const std::vector<std::string> errors = run_ranks(GetParam(), [](ProcessGroup& group, Device device) {
    AdamW whole{AdamWOptions{}}, shared{AdamWOptions{}};
    const std::vector<OptimizedParameter> expected = parameters(device), actual = parameters(device);
    whole.set_parameters(expected);
    // Pieces of a few numbers, so that parameters are cut and many rounds are needed.
    OptimizerShards shards(group, 4 * 10 * group.size());
    // First without the last two, as if they were still frozen.
    const std::vector<OptimizedParameter> first(actual.begin(), actual.begin() + 4);
    for (int step = 0; step < 5; ++step) {
      if (step == 0 || step == 3) {
        shared.set_parameters(step == 0 ? first : actual);
        shared.set_share(shards.share(shared.parameters()));
      }
      set_gradients(expected, step, device);
      set_gradients(actual, step, device);
      if (step < 3)
        for (size_t i = 4; i < 6; ++i) set_grad(expected[i].value, Tensor());
      whole.step(0.01);
      shared.step(0.01);
      shards.exchange_values();
      for (size_t i = 0; i < actual.size(); ++i)
        ASSERT_TRUE(same_bits(expected[i].value, actual[i].value)) << "rank " << group.rank() << ", step " << step;
    }
    if (group.size() > 1) {
      EXPECT_LT(shared.state_bytes(), whole.state_bytes());
    }
    const auto gathered = shards.gather(shared.state());
    if (group.rank() != 0) return;
    const auto wanted = whole.state();
    ASSERT_EQ(gathered.size(), wanted.size());
    for (const auto& [kind, entries] : wanted) {
      const StateDict& got = gathered.at(kind);
      ASSERT_EQ(got.size(), entries.size()) << kind;
      for (size_t i = 0; i < entries.size(); ++i) {
        EXPECT_EQ(got[i].first, entries[i].first);
        EXPECT_TRUE(same_bits(got[i].second, entries[i].second)) << kind << " of " << entries[i].first;
      }
    }
    // The whole state is what any optimizer takes: one that has a part keeps its part.
    AdamW again{AdamWOptions{}};
    again.set_parameters(actual);
    again.set_share({true, false, true, false, false, false});
    again.load_state(gathered);
    EXPECT_EQ(again.state_bytes(), 2 * (7 + 1) * sizeof(float));
  });
  EXPECT_THAT(errors, testing::Each(""));
}

INSTANTIATE_TEST_SUITE_P(Ranks, Sharded, testing::ValuesIn(settings({1, 2, 3, 4, 8})), setting_name);

TEST(OptimizerShards, EveryRankHasAboutTheSame) {
  const std::vector<std::string> errors = run_ranks({3, DeviceKind::CPU}, [](ProcessGroup& group, Device) {
    std::vector<OptimizedParameter> all;
    for (int64_t i = 1; i <= 30; ++i) all.push_back({fmt::format("p{}", i), zeros({i * 100}), 1.0, true});
    OptimizerShards shards(group, 1 << 20);
    int64_t own = 0;
    const std::vector<bool> share = shards.share(all);
    for (size_t i = 0; i < all.size(); ++i) own += share[i] ? all[i].value.numel() : 0;
    EXPECT_NEAR(static_cast<double>(own), 46500 / 3.0, 500);
  });
  EXPECT_THAT(errors, testing::Each(""));
}

}  // namespace
}  // namespace bevgrad
