// N ranks with batch B/N against one rank with batch B, on the CPU and on CUDA devices: normalisation, losses and
// gradients.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <map>
#include <mutex>

#include "autograd/batch_sync.h"
#include "autograd/functions.h"
#include "base/signals.h"
#include "configs/document.h"
#include "distributed/ranks.h"
#include "nn/batch_norm.h"
#include "nn/losses.h"
#include "tensor/random.h"
#include "train/data_parallel/data_parallel.h"

namespace bevgrad {
namespace {

constexpr int64_t kBatch = 8;

struct Net : Module {
  Conv2d conv{3, 6, {.kernel = 3, .padding = 1}};
  BatchNorm2d bn{6};
  Conv2d head{6, 2, {.kernel = 1}};
  Conv2d unused{2, 2, {.kernel = 1}};
  explicit Net(uint64_t seed) {
    register_module("conv", conv);
    register_module("bn", bn);
    register_module("head", head);
    register_module("unused", unused);
    Generator generator(seed);
    const NoGradGuard no_grad;
    for (const auto& [name, tensor] : named_parameters()) ops::copy_(tensor, generator.normal(tensor.sizes(), 0, 0.4));
  }
  Tensor forward(const Tensor& x) { return head.forward(conv_bn_relu(conv, bn, x)); }
};

Tensor rows(const Tensor& all, int rank, int size, Device device) {
  return ops::to(ops::contiguous(ops::narrow(all, 0, rank * kBatch / size, kBatch / size), MemoryFormat::ChannelsLast),
                 device);
}

/// What a step gives: loss, gradients and buffers by name.
std::map<std::string, std::vector<double>> step(DataParallel& parallel, int rank, int size, Device device = {},
                                                uint64_t seed = 5) {
  Generator generator(3);
  const Tensor x = generator.normal({kBatch, 3, 8, 6});
  std::vector<double> labels, heat;
  for (int i = 0; i < kBatch * 2 * 48; ++i) {
    // Positives are spread unevenly over the samples, and one sample has none.
    labels.push_back(i % 7 == 0 ? 255 : i % (3 + i / 100) == 0 && i > 96 ? 1 : 0);
    heat.push_back(i % 50 == 0 && i > 96 ? 1.0 : 0.3 * generator.next_uniform());
  }
  Net net(static_cast<uint64_t>(rank) + seed);  // other values on every rank: rank 0's must win
  net.move_to(device);
  parallel.broadcast(net.state_dict());
  parallel.set_parameters(optimized_parameters(net.named_parameters(), {}));
  const BatchSyncGuard sync(parallel.sync());
  std::map<std::string, std::vector<double>> result;
  const Tensor logits = net.forward(rows(x, rank, size, device));
  const Tensor t = rows(from_values(labels, {kBatch, 2, 8, 6}, {DType::UInt8}), rank, size, device);
  const Tensor h = rows(from_values(heat, {kBatch, 2, 8, 6}), rank, size, device);
  // An object in the last sample only.
  const bool has_object = rank == size - 1;
  const Tensor cells =
      has_object ? from_values({(kBatch / size) * 48.0 - 5}, {1}, {DType::Int64}) : zeros({0}, {DType::Int64});
  const Tensor wanted = has_object ? full({1, 2}, 0.7, {.device = device}) : zeros({0, 2}, {.device = device});
  const Tensor total = add(add(sigmoid_focal_loss(logits, t), soft_dice_loss(logits, t)),
                           add(gaussian_focal_loss(logits, h), indexed_l1_loss(logits, cells, wanted)));
  double loss = total.item();
  std::vector<std::pair<std::string, double>> terms;
  parallel.merge(loss, terms);
  parallel.begin_backward(total);
  backward(total);
  parallel.end_backward();
  result["loss"] = {loss};
  for (const auto& [name, tensor] : net.named_parameters()) {
    if (grad(tensor).defined()) result[name] = grad(tensor).to_vector();
  }
  for (const auto& [name, tensor] : net.named_buffers()) result[name] = tensor.to_vector();
  parallel.set_parameters({});
  return result;
}

class DataParallelStep : public ::testing::TestWithParam<Setting> {};

TEST_P(DataParallelStep, RanksGiveTheGradientsOfOneRankWithTheWholeBatch) {
  config::Distributed options;
  options.set_bucket_mb(0.001);  // several buckets
  const auto alone = make_single_process_group();
  DataParallel single(*alone, options);
  const auto wanted = step(single, 0, 1);
  EXPECT_FALSE(wanted.contains("unused.weight"));
  std::mutex mutex;
  std::map<std::string, std::vector<double>> first;
  expect_no_errors(run_ranks(GetParam(), [&](ProcessGroup& group, Device device) {
    DataParallel parallel(group, options);
    const auto got = step(parallel, group.rank(), group.size(), device);
    const std::lock_guard lock(mutex);
    ASSERT_EQ(got.size(), wanted.size());
    for (const auto& [name, values] : wanted) {
      ASSERT_EQ(got.at(name).size(), values.size()) << name;
      for (size_t i = 0; i < values.size(); ++i)
        EXPECT_NEAR(got.at(name)[i], values[i], 2e-6 + 2e-5 * std::abs(values[i])) << name;
    }
    if (first.empty()) first = got;
    EXPECT_EQ(got, first);  // the same bits on every rank
  }));
}

TEST_P(DataParallelStep, WithoutSyncGradientsAreTheMeanOfTheRanksOwn) {
  config::Distributed options;
  options.set_sync_batch_norm(false);
  options.set_sync_losses(false);
  const auto alone = make_single_process_group();
  DataParallel single(*alone, options);
  const int size = GetParam().size;
  std::vector<std::map<std::string, std::vector<double>>> own;
  // The same weights everywhere: rank 0's.
  for (int rank = 0; rank < size; ++rank) own.push_back(step(single, rank, size, {}, 5 - static_cast<uint64_t>(rank)));
  expect_no_errors(run_ranks(GetParam(), [&](ProcessGroup& group, Device device) {
    DataParallel parallel(group, options);
    const auto got = step(parallel, group.rank(), size, device);
    const auto& mine = own[static_cast<size_t>(group.rank())];
    for (size_t i = 0; i < 6; ++i) EXPECT_NEAR(got.at("bn.running_mean")[i], mine.at("bn.running_mean")[i], 1e-5);
    for (const std::string name : {"conv.weight", "bn.weight", "head.weight", "head.bias"}) {
      for (size_t i = 0; i < got.at(name).size(); ++i) {
        double mean = 0;
        for (const auto& rank : own) mean += rank.at(name)[i] / size;
        EXPECT_NEAR(got.at(name)[i], mean, 2e-6 + 2e-5 * std::abs(mean)) << name << " " << i;
      }
    }
  }));
}

INSTANTIATE_TEST_SUITE_P(Ranks, DataParallelStep, ::testing::ValuesIn(settings({2, 4, 8})), setting_name);

// Inference keeps prepared copies of weights: those of before a broadcast must not be used after it.
TEST_P(DataParallelStep, WhatIsBroadcastIsSeenByInference) {
  const int size = GetParam().size;
  std::mutex mutex;
  std::vector<std::vector<double>> outputs;
  expect_no_errors(run_ranks(GetParam(), [&](ProcessGroup& group, Device device) {
    DataParallel parallel(group, {});
    Net net(static_cast<uint64_t>(group.rank()) + 1);
    net.move_to(device);
    net.set_training(false);
    const NoGradGuard no_grad;
    const Tensor x = ops::to(Generator(9).normal({1, 3, 6, 5}), device);
    const auto before = net.forward(x).to_vector();
    parallel.broadcast(net.state_dict());
    const auto after = net.forward(x).to_vector();
    EXPECT_EQ(after == before, group.rank() == 0);
    const std::lock_guard lock(mutex);
    outputs.push_back(after);
  }));
  ASSERT_EQ(outputs.size(), static_cast<size_t>(size));
  for (const auto& output : outputs)
    for (size_t i = 0; i < output.size(); ++i) EXPECT_NEAR(output[i], outputs[0][i], 1e-5);
}

TEST_P(DataParallelStep, LossesTermsAndSignalsAreSharedBetweenTheRanks) {
  for (const bool is_shared : {true, false}) {
    config::Distributed options;
    options.set_sync_losses(is_shared);
    const int size = GetParam().size;
    expect_no_errors(run_ranks(GetParam(), [&](ProcessGroup& group, Device) {
      DataParallel parallel(group, options);
      double loss = group.rank() + 1;
      std::vector<std::pair<std::string, double>> terms = {{"a", 10.0 * group.rank()}, {"b", 6}};
      parallel.merge(loss, terms);
      const double share = is_shared ? 1.0 : 1.0 / size;
      EXPECT_NEAR(loss, size * (size + 1) / 2.0 * share, 1e-12);
      EXPECT_NEAR(terms[0].second, 10.0 * size * (size - 1) / 2 * share, 1e-12);
      EXPECT_NEAR(terms[1].second, 6.0 * size * share, 1e-12);
      EXPECT_EQ(parallel.signal(), 0);
    }));
  }
}

TEST(DataParallelSignals, ASignalToOneRankIsKnownToAll) {
  const StopSignals signals;
  std::raise(SIGTERM);
  expect_no_errors(run_ranks({2, DeviceKind::CPU}, [](ProcessGroup& group, Device) {
    DataParallel parallel(group, {});
    double loss = 1;
    std::vector<std::pair<std::string, double>> terms;
    EXPECT_EQ(parallel.signal(), 0) << "before it was told";
    parallel.merge(loss, terms);
    EXPECT_EQ(parallel.signal(), SIGTERM);
  }));
}

TEST(GradientReducer, FrozenParametersAreNotSent) {
  expect_no_errors(run_ranks({2, DeviceKind::CPU}, [](ProcessGroup& group, Device) {
    GradientReducer reducer(group.duplicate("gradients"), 1 << 20);
    const Tensor trained = full({100}, 1), frozen = full({100000}, 1);
    set_requires_grad(trained, true);
    reducer.set_parameters({{"trained", trained, 1.0, true}});
    const Tensor loss = sum(mul(trained, ops::narrow(frozen, 0, 0, 100)));
    reducer.begin(loss, ReduceOp::Sum);
    backward(loss);
    reducer.finish();
    EXPECT_EQ(grad(trained).to_vector(), std::vector<double>(100, 2));
    EXPECT_EQ(reducer.bucket_sizes(), (std::vector<int64_t>{100 * 4}));
    EXPECT_LT(reducer.traffic().bytes_sent, 4000);
  }));
}

// Two sources of data: an earlier pass of the step reaches parameters that the last one does not.
TEST_P(DataParallelStep, WhatAnEarlierPassLeftIsExchanged) {
  expect_no_errors(run_ranks(GetParam(), [](ProcessGroup& group, Device device) {
    GradientReducer reducer(group.duplicate("gradients"), 64);
    const Tensor earlier = full({20}, 1, {.device = device}), both = full({20}, 1, {.device = device}),
                 last = full({20}, 1, {.device = device});
    for (const Tensor& parameter : {earlier, both, last}) set_requires_grad(parameter, true);
    reducer.set_parameters({{"earlier", earlier, 1.0, true}, {"both", both, 1.0, true}, {"last", last, 1.0, true}});
    const double own = group.rank() + 1.0;
    double ranks = 0;
    for (int rank = 0; rank < group.size(); ++rank) ranks += rank + 1;
    backward(sum(mul(add(earlier, both), own)));
    const Tensor loss = sum(mul(add(last, both), 10 * own));
    reducer.begin(loss, ReduceOp::Sum);
    backward(loss);
    reducer.finish();
    EXPECT_EQ(grad(earlier).to_vector(), std::vector<double>(20, ranks));
    EXPECT_EQ(grad(both).to_vector(), std::vector<double>(20, 11 * ranks));
    EXPECT_EQ(grad(last).to_vector(), std::vector<double>(20, 10 * ranks));
  }));
}

TEST_P(DataParallelStep, AParameterWithoutAGradientKeepsNone) {
  expect_no_errors(run_ranks(GetParam(), [](ProcessGroup& group, Device device) {
    GradientReducer reducer(group.duplicate("gradients"), 64);
    const Tensor everywhere = full({20}, 1, {.device = device}), somewhere = full({20}, 1, {.device = device}),
                 nowhere = full({20}, 1, {.device = device});
    for (const Tensor& parameter : {everywhere, somewhere, nowhere}) set_requires_grad(parameter, true);
    reducer.set_parameters(
        {{"everywhere", everywhere, 1.0, true}, {"somewhere", somewhere, 1.0, true}, {"nowhere", nowhere, 1.0, true}});
    for (int step = 0; step < 3; ++step) {
      for (const Tensor& parameter : {everywhere, somewhere, nowhere}) set_grad(parameter, Tensor());
      Tensor loss = sum(everywhere);
      if (group.rank() == 0) loss = add(loss, sum(somewhere));
      reducer.begin(loss, ReduceOp::Sum);
      backward(loss);
      reducer.finish();
      EXPECT_EQ(grad(everywhere).to_vector(), std::vector<double>(20, group.size()));
      EXPECT_EQ(grad(somewhere).to_vector(), std::vector<double>(20, 1));
      EXPECT_FALSE(grad(nowhere).defined());
    }
  }));
}

TEST_P(DataParallelStep, BroadcastGivesEveryViewTheFirstRanksValues) {
  expect_no_errors(run_ranks(GetParam(), [](ProcessGroup& group, Device device) {
    config::Distributed options;
    DataParallel parallel(group, options);
    const double own = group.rank() + 1.0;
    const Tensor whole = full({4, 6}, own, {.device = device});
    const Tensor part = ops::narrow(whole, 1, 1, 2);  // its rows do not lie behind one another
    const Tensor kept = full({3}, own, {.device = device});
    set_requires_grad(kept, true);
    const Tensor loss = sum(mul(kept, kept));
    parallel.broadcast({{"part", part}, {"kept", kept}});
    EXPECT_EQ(part.to_vector(), std::vector<double>(8, 1));
    EXPECT_EQ(ops::narrow(whole, 1, 0, 1).to_vector(), std::vector<double>(4, own));
    // Values that a recorded operation has kept are others now.
    if (group.rank() > 0) {
      EXPECT_THROW(backward(loss), Error);
    }
  }));
}

}  // namespace
}  // namespace bevgrad
