// A step accumulated over several batches is the step of the large batch, for every loss.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "autograd/functions.h"
#include "base/error.h"
#include "distributed/ranks.h"
#include "nn/losses.h"
#include "support/devices.h"
#include "tensor/random.h"
#include "train/data_parallel/accumulated_sums.h"
#include "train/tiny_run.h"
#include "train/trainer.h"

namespace bevgrad {
namespace {

const TensorOptions kDouble{DType::Float64};

using LossOf = std::function<Tensor(const Tensor& logits, int64_t first)>;

/// Value and gradient of `loss` over samples of 1, 2 and 3, accumulated as a step does, against those of all six.
void expect_the_large_batch(Device device, const Tensor& logits, const LossOf& loss) {
  SCOPED_TRACE(to_string(device));
  const Tensor whole = ops::clone(ops::to(logits, device));
  set_requires_grad(whole, true);
  const Tensor expected = loss(whole, 0);
  backward(expected);

  const Tensor parts = ops::clone(ops::to(logits, device));
  set_requires_grad(parts, true);
  AccumulatedSums sums(nullptr, 3);
  const std::pair<int64_t, int64_t> batches[] = {{0, 1}, {1, 2}, {3, 3}};
  for (const auto& [first, count] : batches) {
    const NoGradGuard no_grad;
    const BatchSync noting = sums.noting();
    const BatchSyncGuard sync(&noting);
    loss(narrow(parts, 0, first, count), first);
  }
  sums.add_up();
  double total = 0;
  for (const auto& [first, count] : batches) {
    const BatchSync giving = sums.giving();
    const BatchSyncGuard sync(&giving);
    const Tensor part = loss(narrow(parts, 0, first, count), first);
    total += part.item();
    backward(part);
  }
  EXPECT_NEAR(total, expected.item(), 1e-12 * std::abs(expected.item()));
  const std::vector<double> wanted = grad(whole).to_vector(), got = grad(parts).to_vector();
  for (size_t i = 0; i < wanted.size(); ++i) ASSERT_NEAR(got[i], wanted[i], 1e-12) << i;
}

void expect_the_large_batch(const Tensor& logits, const LossOf& loss) {
  for (const Device device : test_devices()) expect_the_large_batch(device, logits, loss);
}

TEST(Accumulation, EveryLossCountsOverAllBatches) {
  Generator generator(4);
  const Shape sizes = {6, 3, 8, 10};
  const Tensor logits = generator.uniform(sizes, -3, 3, kDouble);
  Tensor labels = empty(sizes, {DType::UInt8}), heat = generator.uniform(sizes, 0, 0.9, kDouble);
  // The samples hold very different amounts: the first none at all.
  for (int64_t n = 0; n < 6; ++n)
    for (int64_t i = 0; i < 240; ++i) {
      const uint64_t draw = generator.next_below(20);
      labels.data<uint8_t>()[n * 240 + i] = draw < static_cast<uint64_t>(n) ? 1 : (draw == 19 ? 255 : 0);
      if (draw < static_cast<uint64_t>(n)) heat.data<double>()[n * 240 + i] = 1;
    }
  const auto of = [](const Tensor& all, const Tensor& like, int64_t first) {
    return ops::narrow(all, 0, first, like.size(0));
  };
  expect_the_large_batch(logits, [&](const Tensor& x, int64_t first) {
    return sigmoid_focal_loss(x, of(labels, x, first), {.class_weights = {1, 2, 0.5}});
  });
  expect_the_large_batch(logits,
                         [&](const Tensor& x, int64_t first) { return soft_dice_loss(x, of(labels, x, first)); });
  expect_the_large_batch(logits,
                         [&](const Tensor& x, int64_t first) { return gaussian_focal_loss(x, of(heat, x, first)); });
  expect_the_large_batch(logits, [&](const Tensor& x, int64_t first) {
    std::vector<int64_t> cells;
    std::vector<double> values;
    for (int64_t n = first; n < first + x.size(0); ++n)
      for (int64_t k = 0; k < n; ++k) {
        cells.push_back((n - first) * 80 + 7 * k);
        // The last sample lacks one of its targets.
        values.insert(values.end(), {n == 5 && k == 2 ? std::nan("") : 0.25, 0.1, -0.5});
      }
    const Tensor where = from_values(std::vector<double>(cells.begin(), cells.end()),
                                     {static_cast<int64_t>(cells.size())}, {DType::Int64});
    return indexed_l1_loss(x, where, from_values(values, {static_cast<int64_t>(cells.size()), 3}, kDouble));
  });
}

TEST(Accumulation, WhatTheFirstPassDidNotNoteIsAnError) {
  AccumulatedSums sums(nullptr, 2);
  std::vector<double> values = {1, 2};
  sums.noting().sum(values);
  EXPECT_THROW(sums.noting().sum({values.data(), 1}), Error);
  const BatchSync giving = sums.giving();
  giving.sum(values);
  EXPECT_THROW(giving.sum(values), Error);
}

/// Losses and weights after two steps; weights on rank 0 alone.
std::pair<std::vector<double>, StateDict> two_steps(const std::vector<std::string>& more, const std::string& work_dir,
                                                    ProcessGroup& group) {
  // Statistics of a batch are its own, so that they are frozen.
  std::vector<std::string> sets = {"train.train_steps=2", "train.warmup_steps=0", "train.base_lr=1e-3",
                                   "train.frozen_statistics=true"};
  sets.insert(sets.end(), more.begin(), more.end());
  Trainer trainer(TinyData::get().document("mini_step1", sets),
                  {.work_dir = TinyData::get().path(work_dir), .resume = "", .pretrain = "", .quiet = true}, group);
  std::vector<double> losses;
  for (int i = 0; i < 2; ++i) {
    const StepReport report = trainer.step();
    losses.push_back(report.loss);
    double sum = 0;
    for (const auto& [name, value] : report.terms) sum += value;
    losses.push_back(sum);
    losses.push_back(report.grad_norm);
  }
  return {losses, trainer.checkpoint().state_dict};
}

std::pair<std::vector<double>, StateDict> two_steps(const std::vector<std::string>& more, const std::string& work_dir) {
  static const std::unique_ptr<ProcessGroup> group = make_single_process_group();
  return two_steps(more, work_dir, *group);
}

TEST(Accumulation, AStepIsThatOfTheLargeBatch) {
  const auto large = two_steps({"train.batch_size=4"}, "accumulation_large");
  const auto parts = two_steps({"train.batch_size=2", "train.accumulate_grad_batches=2"}, "accumulation_parts");
  const auto mean = two_steps(
      {"train.batch_size=2", "train.accumulate_grad_batches=2", "distributed.sync_losses=false"}, "accumulation_mean");
  for (size_t i = 0; i < large.first.size(); ++i)
    EXPECT_NEAR(parts.first[i], large.first[i], 2e-5 * std::abs(large.first[i])) << i;
  // The mean of the batches' own losses is another loss, and near: their sum would be twice as large.
  EXPECT_GT(std::abs(mean.first[0] - large.first[0]), 1e-3 * large.first[0]);
  EXPECT_LT(std::abs(mean.first[0] - large.first[0]), 0.3 * large.first[0]);
  EXPECT_LT(std::abs(mean.first[2] - large.first[2]), 0.5 * large.first[2]);
  double apart = 0, apart_of_mean = 0, moved = 0;
  for (size_t i = 0; i < large.second.size(); ++i) {
    const auto a = large.second[i].second.to_vector(), b = parts.second[i].second.to_vector(),
               c = mean.second[i].second.to_vector();
    for (size_t k = 0; k < a.size(); ++k) {
      apart += std::abs(a[k] - b[k]);
      apart_of_mean += std::abs(a[k] - c[k]);
      moved += std::abs(a[k]);
    }
  }
  EXPECT_LT(apart, apart_of_mean / 10);
  EXPECT_LT(apart, 1e-4 * moved);
}

TEST(Accumulation, TwoRanksExchangeOnceAStep) {
  const auto one = two_steps({"train.batch_size=2", "train.accumulate_grad_batches=2"}, "accumulation_one_rank");
  std::pair<std::vector<double>, StateDict> two;
  expect_no_errors(run_ranks({2, DeviceKind::CPU}, [&](ProcessGroup& group, Device) {
    auto result = two_steps({"train.batch_size=1", "train.accumulate_grad_batches=2"}, "accumulation_two_ranks", group);
    if (group.rank() == 0) two = std::move(result);
  }));
  ASSERT_EQ(two.first.size(), one.first.size());
  for (size_t i = 0; i < one.first.size(); ++i)
    EXPECT_NEAR(two.first[i], one.first[i], 1e-4 * std::abs(one.first[i])) << i;
  double apart = 0, moved = 0;
  for (size_t i = 0; i < one.second.size(); ++i) {
    const auto a = one.second[i].second.to_vector(), b = two.second[i].second.to_vector();
    for (size_t k = 0; k < a.size(); ++k) apart += std::abs(a[k] - b[k]), moved += std::abs(a[k]);
  }
  EXPECT_LT(apart, 1e-4 * moved);
}

TEST(Accumulation, FrozenStatisticsStandStillWhileTheirWeightsLearn) {
  const StateDict before = two_steps({"train.base_lr=1e-9"}, "frozen_statistics_before").second;
  const StateDict after = two_steps({}, "frozen_statistics_after").second;
  int standing = 0, moved = 0;
  for (size_t i = 0; i < after.size(); ++i) {
    const auto& [name, tensor] = after[i];
    if (name.ends_with("running_mean") || name.ends_with("num_batches_tracked")) {
      for (const double value : tensor.to_vector()) EXPECT_EQ(value, 0) << name;
      ++standing;
    }
    if (name.ends_with("bn1.weight")) moved += tensor.to_vector() != before[i].second.to_vector();
  }
  EXPECT_GT(standing, 20);
  EXPECT_GT(moved, 3);
}

TEST(Accumulation, StatisticsAreUpdatedOnceABatch) {
  static const std::unique_ptr<ProcessGroup> group = make_single_process_group();
  Trainer trainer(
      TinyData::get().document("mini_step1", {"train.train_steps=1", "train.accumulate_grad_batches=3"}),
      {.work_dir = TinyData::get().path("accumulation_statistics"), .resume = "", .pretrain = "", .quiet = true},
      *group);
  trainer.step();
  int counted = 0;
  for (const auto& [name, tensor] : trainer.network().state_dict())
    if (name.ends_with("num_batches_tracked")) {
      EXPECT_EQ(tensor.item(), 3) << name;
      ++counted;
    }
  EXPECT_GT(counted, 10);
}

TEST(Accumulation, HistoryIsPlayedOnceABatch) {
  static const std::unique_ptr<ProcessGroup> group = make_single_process_group();
  const auto losses = [](const std::vector<std::string>& more, const std::string& work_dir, int stop,
                         const std::string& resume) {
    std::vector<std::string> sets = {"train.finetune_steps=4", "train.accumulate_grad_batches=2", "train.base_lr=1e-3"};
    sets.insert(sets.end(), more.begin(), more.end());
    Trainer trainer(TinyData::get().document("mini_step2_static", sets),
                    {.work_dir = TinyData::get().path(work_dir), .resume = resume, .pretrain = "", .quiet = true},
                    *group);
    std::vector<double> all;
    while (trainer.global_step() < stop) all.push_back(trainer.step().loss);
    trainer.save();
    return all;
  };
  const auto streamed = losses({}, "accumulation_streamed", 4, "");
  // With a cache the history is looked up, so that nothing can be played twice.
  EXPECT_EQ(streamed, losses({"feature_cache.enabled=true", "feature_cache.storage=float32",
                              "feature_cache.dir=" + TinyData::get().path("accumulation_cache")},
                             "accumulation_cached", 4, ""));
  losses({}, "accumulation_broken", 2, "");
  EXPECT_EQ(losses({}, "accumulation_broken", 4, "auto"), std::vector<double>(streamed.begin() + 2, streamed.end()));
}

}  // namespace
}  // namespace bevgrad
