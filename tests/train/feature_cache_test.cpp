// The feature cache: same results with and without it, nothing stale, nothing corrupt.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <omp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>

#include "autograd/autograd.h"
#include "base/error.h"
#include "base/files.h"
#include "models/history_feature_manager.h"
#include "support/devices.h"
#include "tensor/ops.h"
#include "train/cache/feature_cache.h"
#include "train/cache/feature_source.h"
#include "train/cache/fingerprint.h"
#include "train/network_state.h"
#include "train/tiny_run.h"
#include "train/trainer.h"
#include "train/validator.h"

namespace bevgrad {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

ProcessGroup& alone() {
  static const std::unique_ptr<ProcessGroup> group = make_single_process_group();
  return *group;
}

std::string cache_dir(const std::string& name) {
  return TinyData::get().path("cache_" + name);
}

configs::Document step_two(const std::string& cache, std::vector<std::string> more = {}) {
  more.insert(more.begin(), {"train.finetune_steps=6", "train.base_lr=1e-3"});
  if (!cache.empty()) more.insert(more.end(), {"feature_cache.enabled=true", "feature_cache.dir=" + cache_dir(cache)});
  return TinyData::get().document("mini_step2_static", more);
}

/// Losses of a whole run, and how many features had to be computed in it.
std::vector<double> losses_of(const configs::Document& document, const std::string& work_dir, int64_t stop = 6,
                              const std::string& resume = "", Device device = {}) {
  Trainer trainer(
      document,
      {.work_dir = TinyData::get().path(work_dir), .resume = resume, .pretrain = "", .quiet = true, .device = device},
      alone());
  std::vector<double> losses;
  while (trainer.global_step() < stop) losses.push_back(trainer.step().loss);
  trainer.save();
  return losses;
}

std::vector<std::string> feature_files(const std::string& dir) {
  std::vector<std::string> files;
  if (!fs::exists(dir)) return files;
  for (const auto& entry : fs::recursive_directory_iterator(dir))
    if (entry.path().extension() == ".feat") files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  return files;
}

TEST(FeatureCacheRun, Float32GivesTheBitsOfARunWithout) {
  for (const char* intervals : {"temporal.interval_variable=false", "temporal.interval_variable=true"}) {
    const auto without = losses_of(step_two("", {intervals, "data.chunk_frames=6"}), "cached_without");
    const auto with = losses_of(
        step_two("float32", {intervals, "data.chunk_frames=6", "feature_cache.storage=float32"}), "cached_with");
    EXPECT_EQ(without, with);
  }
}

TEST(FeatureCacheRun, DevicesAgree) {
  for (const Device device : test_devices()) {
    SCOPED_TRACE(to_string(device));
    const std::string name = "device_" + to_string(device);
    const auto without = losses_of(step_two(""), "cached_device_without", 6, "", device);
    const auto with = losses_of(step_two(name, {"feature_cache.storage=float32"}), "cached_device_with", 6, "", device);
    EXPECT_EQ(without, with);
    // Where the cache lacks a feature it is computed beside the training.
    const auto lazy =
        losses_of(step_two(name + "_lazy", {"feature_cache.storage=float32", "feature_cache.fill_first=false"}),
                  "cached_device_lazy", 6, "", device);
    ASSERT_EQ(lazy.size(), with.size());
    for (size_t i = 0; i < lazy.size(); ++i) EXPECT_NEAR(lazy[i], with[i], 1e-4 * std::abs(with[i]));
    const auto here = losses_of(step_two(name, {"feature_cache.storage=float32"}), "cached_device_cpu");
    for (size_t i = 0; i < here.size(); ++i) EXPECT_NEAR(here[i], with[i], 1e-2 * std::abs(with[i]));
    const configs::Document document = step_two(name, {"feature_cache.storage=float32", "feature_cache.shuffle=true"});
    const std::vector<double> unbroken = losses_of(document, "cached_device_unbroken", 6, "", device);
    losses_of(document, "cached_device_broken", 3, "", device);
    const std::vector<double> rest = losses_of(document, "cached_device_broken", 6, "auto", device);
    EXPECT_EQ(std::vector<double>(unbroken.begin() + 3, unbroken.end()), rest);
  }
}

TEST(FeatureCacheRun, Bfloat16IsWithinItsPrecision) {
  const auto without = losses_of(step_two(""), "rounded_without");
  const auto with = losses_of(step_two("bfloat16"), "rounded_with");
  ASSERT_EQ(without.size(), with.size());
  for (size_t i = 0; i < with.size(); ++i) EXPECT_NEAR(with[i], without[i], 4e-3 * std::abs(without[i]));
}

TEST(FeatureCacheRun, ResumesBitForBit) {
  for (const char* shuffle : {"feature_cache.shuffle=false", "feature_cache.shuffle=true"}) {
    const configs::Document document = step_two("resume", {shuffle, "temporal.interval_variable=true"});
    const std::vector<double> unbroken = losses_of(document, "cached_unbroken");
    losses_of(document, "cached_broken", 3);
    const std::vector<double> rest = losses_of(document, "cached_broken", 6, "auto");
    EXPECT_EQ(std::vector<double>(unbroken.begin() + 3, unbroken.end()), rest);
  }
}

TEST(FeatureCacheRun, DamagedAndMissingFeaturesAreComputedAgain) {
  const configs::Document document = step_two("damaged", {"feature_cache.storage=float32"});
  const std::vector<double> whole = losses_of(document, "cached_whole");
  const std::vector<std::string> files = feature_files(cache_dir("damaged"));
  ASSERT_GT(files.size(), 10u);
  for (size_t i = 0; i < files.size(); ++i) {
    if (i % 3 == 0) fs::resize_file(files[i], fs::file_size(files[i]) / 2);
    if (i % 3 == 1) {
      std::fstream file(files[i], std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(static_cast<std::streamoff>(fs::file_size(files[i]) - 3));
      file.put('\x55');
    }
    if (i % 7 == 2) fs::remove(files[i]);
  }
  const CacheVerdict verdict = verify_cache(cache_dir("damaged"), false);
  EXPECT_GT(verdict.damaged.size(), files.size() / 2);
  EXPECT_EQ(losses_of(document, "cached_damaged"), whole);
  EXPECT_EQ(losses_of(step_two("damaged", {"feature_cache.storage=float32", "feature_cache.fill_first=false"}),
                      "cached_lazy"),
            whole);
}

TEST(FeatureCacheRun, ValidationGivesTheSameNumbers) {
  std::map<std::string, double> without, with;
  for (const bool cached : {false, true, true}) {  // the third run finds everything there
    const configs::Document document =
        step_two(cached ? "val" : "", {"feature_cache.storage=float32", "eval.eval_with_visualize=false"});
    Generator generator(3);
    const TaskList tasks(standard_tasks(), document);
    Network network(configs::network_options(document), generator, network_parts(document, standard_parts()));
    RunLog log("", true);
    ValidatorOptions options;
    options.output_dir = TinyData::get().path("cached_val");
    (cached ? with : without) = Validator(document, options, log, alone(), tasks).run(network);
    if (cached) {
      EXPECT_EQ(with, without);
    }
  }
  EXPECT_FALSE(without.empty());
}

TEST(FeatureCacheRun, AnEncoderThatLearnsIsRefused) {
  const configs::Document document =
      step_two("learns", {"train.freeze_module_schedules[6]={ module: \"fuser\" steps: 3 }"});
  try {
    Trainer trainer(document,
                    {.work_dir = TinyData::get().path("cached_learns"), .resume = "", .pretrain = "", .quiet = true},
                    alone());
    FAIL() << "expected an error";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("feature_cache.enabled"));
    EXPECT_THAT(error.what(), HasSubstr("fuser"));
  }
}

struct Fixture {
  explicit Fixture(const configs::Document& chosen)
      : document(chosen),
        generator(3),
        network(configs::network_options(document), generator, network_parts(document, standard_parts())),
        dataset(configs::lmdb_list(document.proto),
                configs::train_lists(document.proto, [](const config::ListGroup& list) { return list.static_task(); }),
                configs::dataset_options(document.proto, true)),
        log("", true) {
    network.set_training(false);
  }
  FeatureSource source() { return {network, dataset, document.proto, "test", log}; }
  configs::Document document;
  Generator generator;
  Network network;
  Dataset dataset;
  RunLog log;
};

TEST(FeatureSource, HistoryIsTheOneThatStreamingGives) {
  const std::vector<std::string> ways[] = {
      {},
      {"temporal.shuffle_poses=true"},
      {"temporal.mode=sample_by_distance", "temporal.distances=[0.5, 1.5]", "temporal.distance_tol=0.4"}};
  for (std::vector<std::string> sets : ways) {
    sets.insert(sets.end(), {"feature_cache.storage=float32", "temporal.max_capacity=5"});
    Fixture f(step_two("history", sets));
    FeatureSource source = f.source();
    source.fill(alone());
    const HistoryOptions options = configs::history_options(f.document.proto);
    int64_t valid = 0;
    for (const Stream& stream : f.dataset.streams()) {
      HistoryFeatureManager queue(options);
      for (const int64_t entry : stream.frames) {
        const Tensor feature = source.features({entry}, DType::Float32);
        const Sample sample = f.dataset.load(entry);
        const std::vector<FrameMoment> now = {{sample.sequence, sample.timestamp, sample.ego_pose}};
        const History streamed = queue.sample(now), looked_up = source.history({entry}, options);
        queue.push(feature, now);
        EXPECT_EQ(streamed.valid.to_vector(), looked_up.valid.to_vector());
        EXPECT_EQ(streamed.feature_warp_matrix.to_vector(), looked_up.feature_warp_matrix.to_vector());
        for (size_t k = 0; k < options.intervals.size(); ++k) {
          ASSERT_EQ(streamed.prev_feat_list[k].defined(), looked_up.prev_feat_list[k].defined());
          if (!streamed.prev_feat_list[k].defined()) continue;
          ++valid;
          EXPECT_EQ(streamed.prev_feat_list[k].to_vector(), looked_up.prev_feat_list[k].to_vector());
        }
      }
    }
    EXPECT_GT(valid, 5);
    EXPECT_EQ(source.computed(), 0);
  }
}

/// The bytes of every feature by its name.
std::map<std::string, std::string> feature_bytes(const std::string& dir) {
  std::map<std::string, std::string> all;
  for (const std::string& file : feature_files(dir)) all[fs::path(file).filename().string()] = read_file(file);
  return all;
}

// Widths and sizes at which convolutions have several ways to choose from.
TEST(FeatureSource, AFeatureDependsOnItsSampleAlone) {
  const auto document = [](const std::string& cache) {
    std::vector<std::string> sets = {"feature_cache.storage=float32", "network.backbone_width=32",
                                     "network.neck_channels=32", "network.bev_channels=32"};
    for (int group = 0; group < 3; ++group) {
      sets.push_back(fmt::format("sensors.groups[{}].height=64", group));
      sets.push_back(fmt::format("sensors.groups[{}].width=96", group));
    }
    return step_two(cache, sets);
  };
  const int threads = omp_get_max_threads();
  omp_set_num_threads(2);
  Fixture together(document("together"));
  together.source().fill(alone());
  const auto expected = feature_bytes(cache_dir("together"));
  ASSERT_GT(expected.size(), 8u);
  // One by one, from behind, on another number of threads.
  omp_set_num_threads(1);
  Fixture single(document("single"));
  FeatureSource source = single.source();
  for (int64_t entry = single.dataset.size(); entry-- > 0;) source.features({entry}, DType::Float32);
  EXPECT_EQ(feature_bytes(cache_dir("single")), expected);
  omp_set_num_threads(threads);
}

TEST(FeatureSource, FillsOnceAndTellsHowMuch) {
  Fixture f(step_two("fill"));
  FeatureSource source = f.source();
  EXPECT_EQ(source.missing(), source.size());
  source.fill(alone());
  EXPECT_EQ(source.missing(), 0);
  EXPECT_EQ(feature_files(cache_dir("fill")).size(), static_cast<size_t>(source.size()));
  EXPECT_EQ(f.source().missing(), 0);
}

TEST(FeatureSource, WhatShapesAFeatureChangesItsKey) {
  Fixture f(step_two("keys"));
  const auto key_with = [&](const std::vector<std::string>& sets) {
    Fixture other(step_two("keys", sets));
    return encoder_fingerprint(other.network, other.document.proto);
  };
  const CacheKey key = encoder_fingerprint(f.network, f.document.proto);
  EXPECT_EQ(key, key_with({"train.batch_size=3", "loss.lane_dice=2", "temporal.match_tol=0.01",
                           "sensors.groups[0].cameras[0].yaw=3"}));
  EXPECT_NE(key, key_with({"train.use_backbone_amp=true"}));
  EXPECT_NE(key, key_with({"sensors.mean=[120]"}));
  EXPECT_NE(key, key_with({"network.lidar.legacy=true"}));
  EXPECT_NE(key, key_with({"tasks.enable_lidar=false"}));
  EXPECT_NE(key, key_with({"network.view_heights=[0, 2]"}));
  EXPECT_NE(key, key_with({"sensors.groups[0].width=64"}));
  for (const auto& [name, tensor] : f.network.state_dict()) {
    if (name.ends_with("num_batches_tracked")) continue;
    const NoGradGuard no_grad;
    const Tensor before = ops::clone(tensor);
    ops::fill_(tensor, 0.123);
    EXPECT_EQ(encoder_fingerprint(f.network, f.document.proto) == key, !f.network.is_encoder(name)) << name;
    ops::copy_(tensor, before);
  }
}

TEST(FeatureSource, LabelsAreNoInput) {
  Fixture f(step_two("labels"));
  Sample sample = f.dataset.load(0);
  const auto key_of = [&](const Sample& changed) {
    const std::string bytes = encode_record(changed, f.dataset.options(), {.jpeg_quality = 0});
    return input_fingerprint({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, {"test", changed.key});
  };
  const CacheKey key = key_of(sample);
  Sample relabelled = sample;
  relabelled.labels.instances.push_back({.x = 1, .y = 1, .w = 1, .h = 1});
  relabelled.labels.has_instances = true;
  EXPECT_EQ(key_of(relabelled), key);
  Sample moved = sample;
  moved.points = ops::mul(sample.points, 0.5);
  EXPECT_NE(key_of(moved), key);
  Sample turned = sample;
  turned.cameras[0].camera.fx *= 1.01;
  EXPECT_NE(key_of(turned), key);
  Sample repainted = sample;
  repainted.cameras[1].image = ops::clone(sample.cameras[1].image);
  repainted.cameras[1].image.data<uint8_t>()[7] ^= 1;
  EXPECT_NE(key_of(repainted), key);
}

TEST(FeatureFile, EveryDamageIsSeen) {
  const std::string path = TinyData::get().path("one.feat");
  Generator generator(5);
  const Tensor feature = generator.uniform({3, 4, 5});
  const CacheKey key{7, 9};
  write_feature_file(path, {key, DType::Float32, {3, 4, 5}, 1.5, Pose::from_yaw(1, 2, 3, 0.4)}, feature);
  const Tensor batch = zeros({1, 3, 4, 5}, {.format = MemoryFormat::ChannelsLast});
  const Tensor into = ops::select(batch, 0, 0);
  FeatureInfo info;
  ASSERT_EQ(read_feature_file(path, key, into, info), FeatureState::Whole);
  EXPECT_EQ(into.to_vector(), feature.to_vector());
  EXPECT_EQ(info.timestamp, 1.5);
  EXPECT_EQ(info.ego_pose, Pose::from_yaw(1, 2, 3, 0.4));
  EXPECT_EQ(read_feature_file(path, {7, 8}, into, info), FeatureState::Damaged);
  EXPECT_EQ(read_feature_file(path + "x", key, into, info), FeatureState::Missing);
  std::ifstream in(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), {});
  for (size_t i = 0; i <= bytes.size(); ++i) {
    std::string damaged = bytes;
    if (i < bytes.size()) {
      damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    } else {
      damaged += "more";
    }
    std::ofstream(path, std::ios::binary) << damaged;
    EXPECT_EQ(read_feature_file(path, key, into, info), FeatureState::Damaged) << "byte " << i;
  }
}

TEST(FeatureFile, AFullDiskIsAnErrorThatLeavesNothing) {
  if (!fs::exists("/dev/full")) GTEST_SKIP();
  // A folder that takes no file stands for a disk that takes none.
  const std::string path = TinyData::get().path("no_such_folder") + "/one.feat";
  EXPECT_THROW(write_feature_file(path, {{1, 2}, DType::Float32, {1, 1, 1}, 0, {}}, zeros({1, 1, 1})), Error);
  EXPECT_FALSE(fs::exists(TinyData::get().path("no_such_folder")));
}

TEST(FeatureFile, WritersAndReadersAtOnceSeeWholeFeaturesOnly) {
  const std::string path = TinyData::get().path("shared.feat");
  const CacheKey key{1, 1};
  const Shape sizes{8, 32, 32};
  std::vector<pid_t> children;
  for (int child = 0; child < 3; ++child) {
    const pid_t pid = fork();
    if (pid == 0) {
      for (int i = 0; i < 60; ++i) write_feature_file(path, {key, DType::Float32, sizes, 0, {}}, full(sizes, child));
      _exit(0);
    }
    children.push_back(pid);
  }
  const Tensor batch = zeros({1, 8, 32, 32}, {.format = MemoryFormat::ChannelsLast});
  const Tensor into = ops::select(batch, 0, 0);
  int whole = 0;
  for (int i = 0; i < 300; ++i) {
    FeatureInfo info;
    const FeatureState state = read_feature_file(path, key, into, info);
    EXPECT_NE(state, FeatureState::Damaged);
    if (state != FeatureState::Whole) continue;
    ++whole;
    const std::vector<double> values = into.to_vector();
    EXPECT_EQ(values.front(), values.back());
  }
  for (const pid_t pid : children) {
    int status = 0;
    waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_GT(whole, 0);
}

TEST(CacheFolder, PruningSparesWhatIsInUse) {
  const std::string dir = cache_dir("prune");
  FeatureCacheOptions options{dir, {1, 2}, DType::BFloat16, {2, 3, 4}, "one"};
  auto used = std::make_unique<FeatureCache>(options);
  used->write({5, 6}, ones({2, 3, 4}), 0, {});
  {
    options.encoder = {3, 4};
    FeatureCache idle(options);
    idle.write({5, 6}, ones({2, 3, 4}), 0, {});
  }
  EXPECT_EQ(list_cache(dir).size(), 2u);
  EXPECT_TRUE(prune_cache(dir, 30).second.empty());
  EXPECT_THAT(prune_cache(dir, 0).second, testing::ElementsAre((CacheKey{3, 4}).hex() + "-bfloat16"));
  EXPECT_TRUE(used->contains({5, 6}));
  used.reset();
  EXPECT_EQ(prune_cache(dir, 0).second.size(), 1u);
  EXPECT_TRUE(feature_files(dir).empty());
}

}  // namespace
}  // namespace bevgrad
