// What steadies a training: the average of the weights, skipped steps, the term of any lane mark.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "autograd/functions.h"
#include "base/error.h"
#include "nn/losses.h"
#include "tasks/static_map/any_mark.h"
#include "tensor/ops.h"
#include "train/loss_guard.h"
#include "train/tiny_run.h"
#include "train/trainer.h"

namespace bevgrad {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::unique_ptr<Trainer> make_trainer(const std::vector<std::string>& sets, const std::string& work_dir,
                                      const std::string& resume = "") {
  static const std::unique_ptr<ProcessGroup> group = make_single_process_group();
  TrainerOptions options;
  options.work_dir = work_dir;
  options.resume = resume;
  options.quiet = true;
  return std::make_unique<Trainer>(TinyData::get().document("mini_step1", sets), options, *group);
}

bool same_bits(const StateDict& a, const StateDict& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    const Tensor x = ops::contiguous(detach(a[i].second)), y = ops::contiguous(detach(b[i].second));
    if (a[i].first != b[i].first || x.nbytes() != y.nbytes() ||
        std::memcmp(x.raw_data(), y.raw_data(), x.nbytes()) != 0)
      return false;
  }
  return true;
}

std::string text_of(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

TEST(Average, IsSavedValidatedAndResumedBitForBit) {
  const std::vector<std::string> sets = {"train.train_steps=6",      "train.ema_decay=0.9",
                                         "train.val_interval=3",     "train.checkpoint_interval=3",
                                         "train.keep_checkpoints=9", "train.checkpoint_metric=miou",
                                         "eval.max_samples=2",       "eval.eval_with_visualize=false"};
  const std::string whole = TinyData::get().path("average");
  make_trainer(sets, whole)->run();
  const Checkpoint last = load_checkpoint(whole + "/checkpoints/step_00000006.h5");
  ASSERT_EQ(last.weight_average.size(), last.state_dict.size());
  EXPECT_FALSE(same_bits(last.weight_average, last.state_dict));
  EXPECT_EQ(last.optimizer_numbers.at("average_updates"), 6);
  for (const char* folder : {"val_00000003", "val_00000003_average", "val_00000006_average"})
    EXPECT_TRUE(fs::exists(whole + "/" + folder + "/metrics.json")) << folder;
  EXPECT_NE(text_of(whole + "/val_00000006/metrics.json"), text_of(whole + "/val_00000006_average/metrics.json"));
  // The files that are used: the weights, and the average beside them.
  EXPECT_TRUE(same_bits(load_state_dict(whole + "/step1.average.ckpt").tensors, last.weight_average));
  EXPECT_TRUE(same_bits(load_state_dict(whole + "/step1.ckpt").tensors, last.state_dict));

  const std::string resumed = TinyData::get().path("average_resumed");
  make_trainer(sets, resumed, whole + "/checkpoints/step_00000003.h5")->run();
  const Checkpoint again = load_checkpoint(resumed + "/checkpoints/step_00000006.h5");
  EXPECT_TRUE(same_bits(again.weight_average, last.weight_average));
  EXPECT_TRUE(same_bits(again.state_dict, last.state_dict));
}

TEST(Average, ChangesNothingOfTheTraining) {
  auto with = make_trainer({"train.train_steps=4", "train.ema_decay=0.99"}, TinyData::get().path("with_average"));
  auto without = make_trainer({"train.train_steps=4"}, TinyData::get().path("without_average"));
  with->run();
  without->run();
  EXPECT_TRUE(same_bits(with->network().state_dict(), without->network().state_dict()));
  EXPECT_TRUE(load_checkpoint(TinyData::get().path("without_average") + "/checkpoints/step_00000004.h5")
                  .weight_average.empty());
}

TEST(LossGuard, RejectsJumpsAndEndsWhereTheyStay) {
  LossGuard guard(3, 2), off(0, 2);
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(guard.rejects(1.0 + 0.1 * (i % 2)));
  EXPECT_NEAR(guard.mean(), 1.05, 1e-9);
  EXPECT_FALSE(guard.rejects(3.1));
  EXPECT_TRUE(guard.rejects(9));
  LossGuard later(3, 2);
  later.restore(guard.state());
  EXPECT_EQ(later.mean(), guard.mean());
  for (LossGuard* one : {&guard, &later}) {
    EXPECT_TRUE(one->rejects(9));
    EXPECT_THROW(one->rejects(9), Error);
  }
  EXPECT_FALSE(off.rejects(1));
  EXPECT_FALSE(off.rejects(1e9));
  EXPECT_TRUE(off.state().empty());
}

TEST(LossGuard, ASkippedStepMovesNothingAndIsTold) {
  const std::string work_dir = TinyData::get().path("skipped");
  // 1.0001 times the mean: soon a step is above it.
  auto trainer = make_trainer(
      {"train.train_steps=60", "train.skip_loss_factor=1.0001", "train.max_skipped_steps=60", "train.base_lr=1e-5"},
      work_dir);
  bool skipped = false;
  while (!skipped && trainer->global_step() < 60) {
    const StateDict state = trainer->network().state_dict();
    std::vector<Tensor> before;
    for (const OptimizedParameter& parameter : trainer->optimizer().parameters())
      before.push_back(ops::clone(detach(parameter.value)));
    const StepReport report = trainer->step();
    skipped = report.skipped;
    bool moved = false;
    for (size_t i = 0; i < before.size(); ++i)
      moved |= before[i].to_vector() != trainer->optimizer().parameters()[i].value.to_vector();
    if (report.lr > 0) {
      EXPECT_EQ(moved, !skipped) << report.step;
    }
    if (!skipped) continue;
    EXPECT_THAT(text_of(work_dir + "/train.log"), HasSubstr(fmt::format("step {}: the loss", report.step)));
    EXPECT_THAT(text_of(work_dir + "/train.log"), HasSubstr(report.samples.at(0)));
  }
  EXPECT_TRUE(skipped);
}

TEST(AnyMark, OfLabelsIsTheirUnion) {
  Tensor labels = zeros({1, 3, 2, 3}, {.dtype = DType::UInt8});
  const auto set = [&](int64_t c, int64_t cell, uint8_t value) { labels.data<uint8_t>()[c * 6 + cell] = value; };
  set(0, 0, 1);                    // one class
  set(1, 1, 1), set(2, 1, 1);      // two
  set(0, 2, 255), set(1, 2, 1);    // a mark goes before an ignored cell
  set(0, 3, 255), set(1, 3, 255);  // ignored
  set(2, 4, 255);                  // by one class
  const Tensor any = any_mark_labels(labels);
  EXPECT_EQ(any.dtype(), DType::UInt8);
  EXPECT_EQ(any.sizes(), Shape({1, 1, 2, 3}));
  EXPECT_EQ(any.to_vector(), (std::vector<double>{1, 1, 1, 255, 255, 0}));
}

TEST(AnyMark, ItsTermMovesTheStrongestTypeAndIsLogged) {
  // The gradient of the term goes to the highest logit of a cell.
  Tensor logits = from_values({0.1, 0.9, 0.4, 0.2}, {1, 2, 1, 2});
  set_requires_grad(logits, true);
  const Tensor labels = any_mark_labels(ops::to(from_values({1, 0, 0, 0}, {1, 2, 1, 2}), DType::UInt8));
  backward(sigmoid_focal_loss(max(logits, 1, true), labels));
  const std::vector<double> gradient = grad(logits).to_vector();
  EXPECT_EQ(gradient[0], 0.0);
  EXPECT_GT(gradient[1], 0.0);
  EXPECT_LT(gradient[2], 0.0);
  EXPECT_EQ(gradient[3], 0.0);

  auto plain = make_trainer({"train.train_steps=1"}, TinyData::get().path("plain"));
  auto with = make_trainer({"train.train_steps=1", "loss.lane_any_focal=1", "loss.lane_any_dice=0.5"},
                           TinyData::get().path("any_mark"));
  const StepReport a = plain->step(), b = with->step();
  const auto term = [](const StepReport& report, const std::string& name) {
    for (const auto& [known, value] : report.terms)
      if (known == name) return value;
    return std::nan("");
  };
  EXPECT_TRUE(std::isnan(term(a, "static/lane_any_focal")));
  const double weight = TinyData::get().document("mini_step1").proto.loss().static_weight();
  EXPECT_NEAR(b.loss - a.loss, weight * (term(b, "static/lane_any_focal") + 0.5 * term(b, "static/lane_any_dice")),
              1e-3 * b.loss);
  EXPECT_GT(term(b, "static/lane_any_focal"), 0.0);
}

TEST(Gradients, AreCutValueByValue) {
  auto trainer = make_trainer({"train.train_steps=1", "train.grad_clip_value=1e-6", "train.grad_clip_norm=0"},
                              TinyData::get().path("clipped"));
  const StepReport report = trainer->step();
  int64_t values = 0;
  for (const OptimizedParameter& parameter : trainer->optimizer().parameters()) values += parameter.value.numel();
  EXPECT_GT(report.grad_norm, 0.0);
  EXPECT_LE(report.grad_norm, 1e-6 * std::sqrt(static_cast<double>(values)) * 1.001);
}

}  // namespace
}  // namespace bevgrad
