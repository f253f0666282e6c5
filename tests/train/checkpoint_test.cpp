#include "train/checkpoint/checkpoint.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <future>

#include "base/error.h"
#include "formats/hdf5/tensor_file.h"
#include "optim/adamw.h"
#include "optim/sgd.h"
#include "support/temporary_folder.h"
#include "tensor/ops.h"
#include "train/checkpoint/checkpoint_writer.h"
#include "train/checkpoint/pretrain.h"

namespace bevgrad {
namespace {

std::string scratch(const std::string& name) {
  static const testing::TemporaryFolder folder;
  std::filesystem::remove(folder / name);
  return folder / name;
}

Checkpoint example() {
  Checkpoint out;
  out.state_dict = {{"fuser.0.weight", from_values({1, -2, 3.5, 0}, {2, 2})},
                    {"fuser.1.running_mean", from_values({0.25, 1e-30}, {2})},
                    {"fuser.1.num_batches_tracked", from_values({7}, {}, {.dtype = DType::Int64})},
                    {"half", from_values({1, 2, 3}, {3}, {.dtype = DType::BFloat16})}};
  out.optimizer["exp_avg"] = {{"fuser.0.weight", from_values({9, 8, 7, 6}, {2, 2})}};
  out.optimizer["exp_avg_sq"] = {{"fuser.0.weight", from_values({1, 1, 2, 2}, {2, 2})}};
  out.optimizer_numbers = {{"step", 1200}, {"lr", 2e-4}};
  out.rng = {{"model", {1, -2, INT64_MAX}}, {"rank0.loader", {}}};
  out.sampler = {{"static", {5, 6}}};
  out.global_step = 1200;
  out.epoch = 3;
  out.config = "name: \"mini\"\nseed: 1\n";
  return out;
}

void expect_equal(const StateDict& a, const StateDict& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].first, b[i].first);
    EXPECT_EQ(a[i].second.dtype(), b[i].second.dtype()) << a[i].first;
    EXPECT_EQ(a[i].second.sizes(), b[i].second.sizes()) << a[i].first;
    EXPECT_EQ(a[i].second.to_vector(), b[i].second.to_vector()) << a[i].first;
  }
}

TEST(Checkpoint, KeepsEverythingThatWasSaved) {
  const std::string path = scratch("run.h5");
  const Checkpoint saved = example();
  save_checkpoint(path, saved);
  const Checkpoint loaded = load_checkpoint(path);
  expect_equal(loaded.state_dict, saved.state_dict);
  ASSERT_EQ(loaded.optimizer.size(), 2u);
  expect_equal(loaded.optimizer.at("exp_avg"), saved.optimizer.at("exp_avg"));
  EXPECT_EQ(loaded.optimizer_numbers, saved.optimizer_numbers);
  EXPECT_EQ(loaded.rng, saved.rng);
  EXPECT_EQ(loaded.sampler, saved.sampler);
  EXPECT_EQ(loaded.global_step, 1200);
  EXPECT_EQ(loaded.epoch, 3);
  EXPECT_EQ(loaded.config, saved.config);
}

TEST(Checkpoint, DamageIsRefusedByNameAndTheOneBeforeIsUsed) {
  const std::string older = scratch("older.h5");
  const std::string newer = scratch("newer.h5");
  Checkpoint checkpoint = example();
  checkpoint.global_step = 1;
  save_checkpoint(older, checkpoint);
  checkpoint.global_step = 2;
  save_checkpoint(newer, checkpoint);
  // One bit of a value: only the dataset's checksum can notice.
  const uint64_t size = std::filesystem::file_size(newer);
  std::string bytes(size, '\0');
  std::ifstream(newer, std::ios::binary).read(bytes.data(), static_cast<std::streamsize>(size));
  const float value = 3.5f;
  const size_t at = bytes.find(std::string(reinterpret_cast<const char*>(&value), 4));
  ASSERT_NE(at, std::string::npos);
  bytes[at] ^= 1;
  std::ofstream(newer, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(size));

  std::vector<std::string> warnings;
  Checkpoint loaded;
  const size_t used =
      load_newest_checkpoint({newer, older}, loaded, [&](const std::string& m) { warnings.push_back(m); });
  EXPECT_EQ(used, 1u);
  EXPECT_EQ(loaded.global_step, 1);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("newer.h5"), std::string::npos) << warnings[0];
  EXPECT_NE(warnings[0].find("fuser.0.weight"), std::string::npos) << warnings[0];

  std::filesystem::resize_file(older, size / 2);
  EXPECT_THROW(load_newest_checkpoint({newer, older}, loaded, [](const std::string&) {}), Error);
}

TEST(Checkpoint, AFailedWriteLeavesWhatWasThere) {
  const std::string path = scratch("kept.h5");
  save_checkpoint(path, example());
  Checkpoint broken = example();
  broken.state_dict.emplace_back("fuser.0.weight", scalar(1));  // twice
  EXPECT_THROW(save_checkpoint(path, broken), Error);
  EXPECT_EQ(load_checkpoint(path).global_step, 1200);
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(path).parent_path())) {
    EXPECT_EQ(entry.path().string().find("kept.h5.tmp"), std::string::npos) << entry.path();
  }
  EXPECT_THROW(save_checkpoint("/nonexistent/folder/x.h5", example()), Error);
}

TEST(Checkpoint, LightningFileGivesTheParametersBack) {
  const std::string path = scratch("step1.ckpt");
  save_lightning_checkpoint(path, example());
  const LoadedStateDict loaded = load_state_dict(path);
  expect_equal(loaded.tensors, example().state_dict);
  EXPECT_EQ(loaded.metadata.at("global_step").as_int(), 1200);
  EXPECT_EQ(loaded.metadata.at("hyper_parameters").at("config").as_string(), example().config);
  const Value optimizer = loaded.metadata.at("optimizer_states").at(0);
  EXPECT_EQ(optimizer.at("param_groups").at(0).at("lr").as_double(), 2e-4);
  EXPECT_EQ(optimizer.at("state").entries().at(0).second.at("exp_avg").as_doubles(), (std::vector<double>{9, 8, 7, 6}));
}

TEST(Checkpoint, LightningFileNamesTheOptimizersOptionsAndAllItsParameters) {
  const std::string path = scratch("sgd.ckpt");
  Checkpoint source = example();
  source.optimizer = {{"momentum_buffer", {{"b", ones({2})}}}};
  source.optimized = {"a", "b"};
  source.hyperparameters = Sgd({.momentum = 0.9, .nesterov = true}).hyperparameters();
  save_lightning_checkpoint(path, source);
  const LoadedStateDict loaded = load_state_dict(path);
  const Value optimizer = loaded.metadata.at("optimizer_states").at(0);
  const Value group = optimizer.at("param_groups").at(0);
  EXPECT_EQ(group.at("momentum").as_double(), 0.9);
  EXPECT_EQ(group.at("param_names").at(1).as_string(), "b");
  EXPECT_EQ(group.at("params").at(1).as_int(), 1);
  ASSERT_EQ(optimizer.at("state").entries().size(), 1u);
  EXPECT_EQ(optimizer.at("state").entries().at(0).first.as_int(), 1);
}

TEST(Checkpoint, NumbersOfAnOptimizer) {
  EXPECT_EQ(numbers_of(AdamW().hyperparameters()),
            (std::map<std::string, double>{{"beta1", 0.9}, {"beta2", 0.999}, {"eps", 1e-8}, {"weight_decay", 0.01}}));
}

TEST(Pretrain, AccountsForEveryName) {
  const std::string path = scratch("pretrained.ckpt");
  Checkpoint source;
  source.state_dict = {{"model.a.weight", from_values({1, 2}, {2})},
                       {"model.b.weight", from_values({3, 4, 5}, {3})},
                       {"model.c.weight", from_values({6}, {1})}};
  save_lightning_checkpoint(path, source);
  // A channels-last target, and one of another dtype.
  const StateDict model = {
      {"a.weight", zeros({2}, {.dtype = DType::Float64})}, {"b.weight", zeros({4})}, {"d.weight", ones({1})}};
  const PretrainReport report = load_pretrained(path, model);
  EXPECT_EQ(report.stripped_prefix, "model.");
  EXPECT_EQ(report.loaded, std::vector<std::string>{"a.weight"});
  EXPECT_EQ(report.missing, std::vector<std::string>{"d.weight"});
  EXPECT_EQ(report.unexpected, std::vector<std::string>{"c.weight"});
  ASSERT_EQ(report.other_shape.size(), 1u);
  EXPECT_EQ(report.other_shape[0], "b.weight: the file has [3], the model [4]");
  EXPECT_EQ(model[0].second.to_vector(), (std::vector<double>{1, 2}));
  EXPECT_EQ(model[2].second.to_vector(), (std::vector<double>{1}));
  EXPECT_THROW(load_pretrained(path, {{"other", zeros({1})}}), Error);
}

TEST(CheckpointWriter, WritesBesideTheCallerAndSaysOnceWhatFailed) {
  CheckpointWriter writer;
  EXPECT_TRUE(writer.is_idle());
  std::promise<void> gate;
  std::atomic<int> written = 0;
  writer.start([&, opened = gate.get_future().share()] {
    opened.wait();
    ++written;
  });
  EXPECT_FALSE(writer.is_idle());
  EXPECT_EQ(writer.take_error(), "");
  gate.set_value();
  writer.finish();
  EXPECT_TRUE(writer.is_idle());
  EXPECT_EQ(written, 1);
  writer.start([] { fail("no space left"); });
  writer.start([&] { ++written; });  // the next one is tried all the same
  EXPECT_EQ(writer.take_error(), "no space left");
  writer.finish();
  EXPECT_EQ(writer.take_error(), "");
  EXPECT_EQ(written, 2);
}

}  // namespace
}  // namespace bevgrad
