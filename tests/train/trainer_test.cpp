// Whole runs: same seed same bits, resume bit for bit, step 1 into step 2, what an interruption leaves.
#include "train/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "autograd/autograd.h"
#include "base/error.h"
#include "base/files.h"
#include "base/signals.h"
#include "support/devices.h"
#include "tensor/ops.h"
#include "train/logging/histogram.h"
#include "train/network_state.h"
#include "train/run_folder.h"
#include "train/tiny_run.h"
#include "train/validator.h"

namespace bevgrad {
namespace {

using testing::HasSubstr;

std::unique_ptr<Trainer> make_trainer(const configs::Document& document, const std::string& work_dir,
                                      const std::string& resume = "", const std::string& pretrain = "",
                                      Device device = {}) {
  static const std::unique_ptr<ProcessGroup> group = make_single_process_group();
  return std::make_unique<Trainer>(
      document,
      TrainerOptions{.work_dir = work_dir, .resume = resume, .pretrain = pretrain, .quiet = true, .device = device},
      *group);
}

std::vector<std::string> different_tensors(const NamedTensors& a, const NamedTensors& b) {
  std::vector<std::string> names;
  if (a.size() != b.size()) return {"another number of tensors"};
  for (size_t i = 0; i < a.size(); ++i) {
    const Tensor x = ops::to(ops::contiguous(detach(a[i].second)), Device());
    const Tensor y = ops::to(ops::contiguous(detach(b[i].second)), Device());
    if (a[i].first != b[i].first || x.sizes() != y.sizes() || std::memcmp(x.raw_data(), y.raw_data(), x.nbytes()) != 0)
      names.push_back(a[i].first);
  }
  return names;
}

configs::Document step_one(const std::vector<std::string>& more = {}) {
  std::vector<std::string> sets = {"train.train_steps=6"};
  sets.insert(sets.end(), more.begin(), more.end());
  return TinyData::get().document("mini_step1", sets);
}
configs::Document step_two(const std::vector<std::string>& more = {}) {
  std::vector<std::string> sets = {"train.finetune_steps=9"};
  sets.insert(sets.end(), more.begin(), more.end());
  return TinyData::get().document("mini_step2_static", sets);
}
/// A step1.ckpt that tests share.
const std::string& step_one_checkpoint() {
  static const std::string path = [] {
    const std::string work_dir = TinyData::get().path("shared_step1");
    make_trainer(step_one(), work_dir)->run();
    return work_dir + "/step1.ckpt";
  }();
  return path;
}

TEST(Trainer, LearnsAndWritesItsCheckpoint) {
  auto trainer = make_trainer(step_one({"train.train_steps=25", "train.base_lr=5e-3"}), TinyData::get().path("learns"));
  const double first = trainer->step().loss;
  double last = first;
  while (trainer->global_step() < 25) last = trainer->step().loss;
  EXPECT_LT(last, 0.92 * first);
}

TEST(Trainer, SameSeedSameBits) {
  for (const Device device : test_devices()) {
    auto a = make_trainer(step_one(), TinyData::get().path("same_a"), "", "", device);
    auto b = make_trainer(step_one({"train.num_workers=2"}), TinyData::get().path("same_b"), "", "", device);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(a->step().loss, b->step().loss);
    EXPECT_THAT(different_tensors(a->network().state_dict(), b->network().state_dict()), testing::IsEmpty());
  }
  auto a = make_trainer(step_one(), TinyData::get().path("same_a"));
  for (int i = 0; i < 4; ++i) a->step();
  auto c = make_trainer(step_one({"seed=2"}), TinyData::get().path("same_c"));
  for (int i = 0; i < 4; ++i) c->step();
  EXPECT_FALSE(different_tensors(a->network().state_dict(), c->network().state_dict()).empty());
}

/// An unbroken run against one that is cut after `cut` steps and resumed, on every device.
void expect_resume_is_exact(const configs::Document& document, const std::string& name, int64_t cut, int64_t total) {
  for (const Device device : test_devices()) {
    SCOPED_TRACE(to_string(device));
    auto unbroken = make_trainer(document, TinyData::get().path(name + "_unbroken"), "", "", device);
    while (unbroken->global_step() < total) unbroken->step();
    const std::string work_dir = TinyData::get().path(name + "_broken_" + to_string(device));
    {
      auto broken = make_trainer(document, work_dir, "", "", device);
      while (broken->global_step() < cut) broken->step();
      broken->save();
    }
    auto resumed = make_trainer(document, work_dir, "auto", "", device);
    EXPECT_EQ(resumed->global_step(), cut);
    while (resumed->global_step() < total) resumed->step();
    EXPECT_THAT(different_tensors(unbroken->network().state_dict(), resumed->network().state_dict()),
                testing::IsEmpty());
    const auto a = unbroken->optimizer().state(), b = resumed->optimizer().state();
    ASSERT_EQ(a.size(), b.size());
    ASSERT_FALSE(a.empty());
    for (const auto& [kind, tensors] : a)
      EXPECT_THAT(different_tensors(tensors, b.at(kind)), testing::IsEmpty()) << kind;
  }
}

/// Every value within `share` of the largest of its tensor, and `absolute`.
void expect_tensors_near(const NamedTensors& a, const NamedTensors& b, double share, double absolute) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    const std::vector<double> x = a[i].second.to_vector(), y = b[i].second.to_vector();
    double largest = 0, worst = 0;
    for (size_t k = 0; k < x.size(); ++k) {
      largest = std::max(largest, std::abs(x[k]));
      worst = std::max(worst, std::abs(x[k] - y[k]));
    }
    EXPECT_LE(worst, share * largest + absolute) << a[i].first;
  }
}

/// Losses and gradients' norms of a few steps are the CPU's, and each gradient of the first, up to rounding. What comes
/// after is not compared value by value: the optimizer moves a weight by the learning rate also where its gradient is
/// nothing but rounding.
void expect_devices_agree(const configs::Document& document, const std::string& name, int64_t steps) {
  for (const Device device : test_devices()) {
    if (device.is_cpu()) continue;
    auto here = make_trainer(document, TinyData::get().path(name + "_cpu"));
    auto there = make_trainer(document, TinyData::get().path(name + "_device"), "", "", device);
    EXPECT_EQ(there->network().device(), device);
    double moved = 0;
    while (here->global_step() < steps) {
      const StepReport report = here->step(), other = there->step();
      EXPECT_NEAR(other.loss, report.loss, 1e-3 * std::abs(report.loss)) << "step " << report.step;
      EXPECT_NEAR(other.grad_norm, report.grad_norm, 2e-2 * report.grad_norm) << "step " << report.step;
      ASSERT_EQ(other.terms.size(), report.terms.size());
      moved += report.lr;
      if (report.step == 0)
        expect_tensors_near(here->optimizer().state().at("exp_avg"), there->optimizer().state().at("exp_avg"), 1e-2, 0);
    }
    expect_tensors_near(here->network().state_dict(), there->network().state_dict(), 1e-2, 2 * moved);
  }
}

TEST(Devices, StepOneAgrees) {
  expect_devices_agree(step_one(), "devices1", 4);
}

TEST(Devices, StepTwoAgreesWithItsHistory) {
  expect_devices_agree(step_two({"train.float_pretrain=" + step_one_checkpoint()}), "devices2", 6);
}

TEST(Devices, ACheckpointGoesFromOneToTheOther) {
  for (const Device device : test_devices()) {
    const std::string work_dir = TinyData::get().path("moves_" + to_string(device));
    auto first = make_trainer(step_one(), work_dir, "", "", device);
    first->step();
    first->save();
    const StateDict saved = first->network().state_dict();
    first.reset();  // a work folder is one run's
    auto second = make_trainer(step_one(), work_dir, "auto");
    EXPECT_THAT(different_tensors(saved, second->network().state_dict()), testing::IsEmpty());
    second->step();
    second->save();
    second.reset();
    auto third = make_trainer(step_one(), work_dir, "auto", "", device);
    EXPECT_EQ(third->global_step(), 2);
    third->step();
  }
}

TEST(Resume, StepOneBitForBit) {
  expect_resume_is_exact(step_one(), "resume1", 3, 6);
}

TEST(Resume, StepTwoBitForBitWithItsHistory) {
  expect_resume_is_exact(step_two({"train.float_pretrain=" + step_one_checkpoint(), "temporal.interval_variable=true"}),
                         "resume2", 5, 9);
}

TEST(Resume, AcrossThePhasesAndThawing) {
  expect_resume_is_exact(step_one({"train.train_steps=3", "train.finetune_steps=4", "train.num_train_cases=6",
                                   "train.freeze_module_schedules=[]",
                                   "train.freeze_module_schedules[0]={ module: \"stage1_*\" steps: 3 }"}),
                         "phases", 3, 7);
}

TEST(Resume, WithMomentumAndACosineBitForBit) {
  expect_resume_is_exact(step_one({"train.optimizer=SGD", "train.sgd.nesterov=true", "train.lr_schedule=cosine"}),
                         "resume_sgd", 3, 6);
}

TEST(Resume, AnotherOptimizersStateIsRefused) {
  const std::string work_dir = TinyData::get().path("other_optimizer");
  {
    auto trainer = make_trainer(step_one(), work_dir);
    trainer->step();
    trainer->save();
  }
  try {
    make_trainer(step_one({"train.optimizer=SGD"}), work_dir, "auto");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("SGD: the state holds \"exp_avg\", which is not known"));
    EXPECT_THAT(error.what(), HasSubstr(".h5"));
  }
}

TEST(Resume, ADamagedCheckpointIsPassedOver) {
  const std::string work_dir = TinyData::get().path("damaged");
  std::string newest;
  {
    auto trainer = make_trainer(step_one(), work_dir);
    trainer->step();
    trainer->save();
    trainer->step();
    newest = trainer->save();
  }
  {
    std::fstream file(newest, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(std::filesystem::file_size(newest) / 2));
    file << std::string(512, 'x');
  }
  testing::internal::CaptureStderr();
  auto resumed = make_trainer(step_one(), work_dir, "auto");
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("step_00000002.h5"));
  EXPECT_EQ(resumed->global_step(), 1);
  resumed.reset();  // one training at a time in a folder
  EXPECT_THROW(make_trainer(step_one(), work_dir, newest + ".damaged"), Error);
}

TEST(Resume, FromAnEarlierFileSetsTheLaterOnesAside) {
  const std::string work_dir = TinyData::get().path("earlier");
  std::string first;
  {
    auto trainer = make_trainer(step_one(), work_dir);
    trainer->step();
    first = trainer->save();
    trainer->step();
    trainer->save();
  }
  auto resumed = make_trainer(step_one(), work_dir, first);
  EXPECT_EQ(resumed->global_step(), 1);
  EXPECT_TRUE(resumed->work_dir().checkpoints().empty());
  EXPECT_TRUE(std::filesystem::exists(work_dir + "/checkpoints.1/step_00000002.h5"));
}

TEST(Resume, OfAnotherNetworkIsRefused) {
  const std::string work_dir = TinyData::get().path("another");
  make_trainer(step_one(), work_dir)->save();
  EXPECT_THROW(make_trainer(step_one({"network.bev_channels=16"}), work_dir, "auto"), Error);
}

TEST(StepTwo, TrainsOnlyWhatIsNotFrozen) {
  for (const Device device : test_devices()) {
    auto trainer = make_trainer(step_two(), TinyData::get().path("frozen"), "", step_one_checkpoint(), device);
    std::map<std::string, std::vector<double>> before;
    for (const auto& [name, tensor] : trainer->network().state_dict()) before[name] = tensor.to_vector();
    for (int i = 0; i < 9; ++i) trainer->step();
    for (const auto& [name, tensor] : trainer->network().state_dict()) {
      if (name.starts_with("bev_static_")) continue;
      EXPECT_EQ(tensor.to_vector(), before[name]) << name;
    }
    EXPECT_NE(before["bev_static_temporal_fusion.gamma"],
              trainer->network().find("bev_static_temporal_fusion")->named_parameters()[0].second.to_vector());
    for (const auto& [kind, tensors] : trainer->optimizer().state()) {
      for (const auto& [name, tensor] : tensors) EXPECT_TRUE(name.starts_with("bev_static_")) << name;
    }
  }
}

TEST(StepTwo, UntrainedItIsItsStepOne) {
  RunLog log("", true);
  Generator generator(1);
  const configs::Document one = step_one(), two = step_two();
  Network first(configs::network_options(one), generator, network_parts(one, standard_parts()));
  Network second(configs::network_options(two), generator, network_parts(two, standard_parts()));
  load_network(first, step_one_checkpoint(), log);
  testing::internal::CaptureStderr();
  load_network(second, step_one_checkpoint(), log);
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("it has no bev_static_temporal_fusion; untrained, it passes its input on"));
  first.set_training(false);
  second.set_training(false);
  const NoGradGuard no_grad;
  const Dataset dataset(configs::lmdb_list(two.proto), configs::val_lists(two.proto),
                        configs::dataset_options(two.proto, false));
  Loader loader(dataset, make_sequential_sampler(dataset, {.batch_size = 1}), {.workers = 0});
  HistoryPlayer player(configs::history_options(two.proto), 1);
  bool had_history = false;
  while (const auto batch = loader.next()) {
    const NetworkOutput a = first.forward(network_input(*batch));
    NetworkOutput b = second.encode(network_input(*batch));
    const History past = player.play(second, b, stream_frames(*batch));
    for (const Tensor& feature : past.prev_feat_list) had_history |= feature.defined();
    EXPECT_EQ(a.at("lane_logits").to_vector(), b.at("lane_logits").to_vector());
    EXPECT_EQ(a.at("instance_box").to_vector(), b.at("instance_box").to_vector());
  }
  EXPECT_TRUE(had_history);
}

TEST(Interrupted, SavesAndGoesOn) {
  const std::string work_dir = TinyData::get().path("interrupted");
  const configs::Document document = step_one({"train.train_steps=500"});
  {
    auto trainer = make_trainer(document, work_dir);
    std::thread killer([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
      ::kill(::getpid(), SIGTERM);
    });
    // The handler is there from the first moment of run(); until then the signal must not end the test.
    const StopSignals signals;
    try {
      trainer->run();
      ADD_FAILURE() << "it was not stopped";
    } catch (const Interrupted& interrupted) {
      EXPECT_EQ(interrupted.exit_status(), 143);
      EXPECT_THAT(interrupted.what(), HasSubstr("--resume auto"));
    }
    killer.join();
    const int64_t stopped = trainer->global_step();
    const StateDict saved = trainer->network().state_dict();
    EXPECT_GT(stopped, 0);
    trainer.reset();  // a work folder is one run's
    auto resumed = make_trainer(document, work_dir, "auto");
    EXPECT_EQ(resumed->global_step(), stopped);
    EXPECT_THAT(different_tensors(saved, resumed->network().state_dict()), testing::IsEmpty());
  }
}

TEST(NotFinite, StopsWithTheStepAndTheCulprit) {
  for (const Device device : test_devices()) {
    auto trainer = make_trainer(step_one(), TinyData::get().path("nan"), "", "", device);
    trainer->step();
    trainer->save();
    {
      const NoGradGuard no_grad;
      ops::fill_(trainer->network().find("fuser")->named_parameters()[0].second, std::nan(""));
    }
    try {
      trainer->step();
      FAIL();
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("step 1"), HasSubstr("fuser"), HasSubstr("step_00000001.h5")));
    }
  }
}

TEST(Start, MistakesAreNamed) {
  const std::string work_dir = TinyData::get().path("mistakes");
  EXPECT_THROW(make_trainer(step_one({"data.train[0].lists=[\"nowhere.txt\"]"}), work_dir), Error);
  EXPECT_THROW(make_trainer(step_one({"data.train=[]"}), work_dir), UsageError);
  EXPECT_THROW(make_trainer(step_one({"train.train_steps=0"}), work_dir), UsageError);
  EXPECT_THROW(make_trainer(step_one({"train.freeze_module_schedules[0]={ module: \"fusr\" steps: 1 }"}), work_dir),
               UsageError);
  EXPECT_THROW(make_trainer(step_two({"temporal.max_capacity=2"}), work_dir), UsageError);
}

TEST(Validation, StreamsTheValSetsAndWritesNumbers) {
  RunLog log("", true);
  const std::string folder = TinyData::get().path("val");
  const configs::Document document = step_two();
  Generator generator(1);
  const TaskList tasks(standard_tasks(), document);
  Network network(configs::network_options(document), generator, network_parts(document, standard_parts()));
  const std::unique_ptr<ProcessGroup> group = make_single_process_group();
  std::map<std::string, double> on_the_cpu;
  for (const Device device : test_devices()) {
    SCOPED_TRACE(to_string(device));
    network.move_to(device);
    Validator validator(document, {.output_dir = folder}, log, *group, tasks);
    const std::map<std::string, double> headline = validator.run(network);
    EXPECT_TRUE(std::filesystem::exists(folder + "/metrics.json"));
    EXPECT_FALSE(std::filesystem::is_empty(folder + "/pictures"));
    EXPECT_FALSE(headline.empty());
    if (device.is_cpu()) on_the_cpu = headline;
    for (const auto& [name, value] : headline) EXPECT_NEAR(value, on_the_cpu.at(name), 1e-2) << name;
  }
}

// What is written beside the training is the state of its step, not of those that follow.
TEST(Checkpoints, WrittenBesideTheTrainingAreThoseOfTheirStep) {
  const std::string work_dir = TinyData::get().path("beside"), other = TinyData::get().path("not_beside");
  make_trainer(step_one({"train.checkpoint_interval=1", "train.keep_checkpoints=10"}), work_dir)->run();
  const std::unique_ptr<Trainer> trainer = make_trainer(step_one(), other);
  int compared = 0;
  for (int64_t step = 1; step <= 6; ++step) {
    trainer->step();
    const std::string path = WorkDir(work_dir).checkpoint_file(step);
    // A slow disk may have put one off by a step.
    if (!std::filesystem::exists(path)) continue;
    ++compared;
    const Checkpoint expected = trainer->checkpoint(), written = load_checkpoint(path);
    EXPECT_EQ(written.global_step, step);
    EXPECT_THAT(different_tensors(expected.state_dict, written.state_dict), testing::IsEmpty());
    for (const auto& [kind, tensors] : expected.optimizer)
      EXPECT_THAT(different_tensors(tensors, written.optimizer.at(kind)), testing::IsEmpty());
  }
  EXPECT_GE(compared, 3);
}

// As a checkpoint of that step has them.
TEST(Histograms, AreOfTheStepThatTheyAreTaggedWith) {
  const std::string work_dir = TinyData::get().path("histograms");
  std::unique_ptr<Trainer> trainer = make_trainer(step_one({"train.histogram_interval=3"}), work_dir);
  for (int i = 0; i < 3; ++i) trainer->step();
  const NamedTensors weights = trainer->network().state_dict();
  const auto found =
      std::find_if(weights.begin(), weights.end(), [](const auto& entry) { return entry.first == "fuser.0.weight"; });
  ASSERT_NE(found, weights.end());
  const Histogram expected = histogram_of(found->second);
  trainer.reset();  // the event file is whole now
  std::string events;
  for (const auto& entry : std::filesystem::directory_iterator(work_dir))
    if (entry.path().filename().string().find("tfevents") != std::string::npos) events = entry.path().string();
  std::string sum(sizeof(double), '\0');
  std::memcpy(sum.data(), &expected.sum, sizeof(double));
  EXPECT_THAT(read_file(events), HasSubstr(sum));
}

TEST(RunFolders, SayWhatARunIsAndWhatCanGo) {
  const std::string work_dir = TinyData::get().path("folders/a");
  {
    const std::unique_ptr<Trainer> trainer = make_trainer(step_one({"train.checkpoint_interval=2"}), work_dir);
    for (int i = 0; i < 4; ++i) trainer->step();
    trainer->save();
    EXPECT_EQ(find_runs(work_dir).at(0).state(), "running");
  }
  std::ofstream(work_dir + "/checkpoints/step_00000005.h5.tmp-1-1") << "half";
  std::vector<RunFolder> runs = find_runs(TinyData::get().path("folders"));
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0].path, work_dir);
  EXPECT_EQ(runs[0].state(), "can be resumed");
  EXPECT_EQ(runs[0].step, 4);
  EXPECT_EQ(runs[0].total_steps, 6);
  EXPECT_THAT(runs[0].checkpoint, HasSubstr("step_00000004.h5"));
  EXPECT_GT(runs[0].bytes, 10000u);
  ASSERT_EQ(runs[0].disposable.size(), 1u);
  EXPECT_EQ(runs[0].disposable[0].second, 4u);
  make_trainer(step_one({"train.checkpoint_interval=2"}), work_dir, "auto")->run();
  runs = find_runs(work_dir);
  EXPECT_EQ(runs.at(0).state(), "done");
  EXPECT_EQ(runs.at(0).step, 6);
  EXPECT_TRUE(runs.at(0).disposable.empty());
  EXPECT_THROW(find_runs(work_dir + "/no"), UsageError);
}

}  // namespace
}  // namespace bevgrad
