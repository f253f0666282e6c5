// The executable as a user meets it: exit statuses, one clear line for a mistake, and the main job in small.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "formats/hdf5/tensor_file.h"
#include "formats/state_dict.h"
#include "support/paths.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "train/predict_file.h"
#include "train/tiny_run.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

struct Outcome {
  int status = -1;  // 128 + signal where a signal ended it
  std::string out, err;
};

std::string read_file(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

using Variables = std::vector<std::pair<std::string, std::string>>;

/// Starts `bevgrad` with these arguments; its streams go to files beside the data.
pid_t start(const std::vector<std::string>& arguments, const Variables& variables = {}) {
  const std::string out = TinyData::get().path("out.txt"), err = TinyData::get().path("err.txt");
  const pid_t child = fork();
  if (child != 0) return child;
  for (const char* name : {"LEAPAI_TASK_CONFIG", "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"})
    unsetenv(name);
  for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), 1);
  if (!freopen(out.c_str(), "w", stdout) || !freopen(err.c_str(), "w", stderr)) _exit(126);
  std::vector<char*> words;
  std::string program = testing::bevgrad_binary();
  words.push_back(program.data());
  std::vector<std::string> copies = arguments;
  for (std::string& word : copies) words.push_back(word.data());
  words.push_back(nullptr);
  execv(program.c_str(), words.data());
  _exit(127);
}

Outcome finish(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  Outcome outcome;
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  outcome.out = read_file(TinyData::get().path("out.txt"));
  outcome.err = read_file(TinyData::get().path("err.txt"));
  return outcome;
}

Outcome bevgrad(const std::vector<std::string>& arguments, const Variables& variables = {}) {
  return finish(start(arguments, variables));
}

/// Arguments of a tiny run of `config`.
std::vector<std::string> tiny(std::vector<std::string> arguments, const std::string& config,
                              const std::vector<std::string>& more = {}) {
  arguments.insert(arguments.end(), {"--config", config, "--threads", "1"});
  std::vector<std::string> sets = tiny_settings();
  sets.push_back("data.root=" + TinyData::get().root());
  sets.insert(sets.end(), more.begin(), more.end());
  for (const std::string& set : sets) arguments.insert(arguments.end(), {"--set", set});
  return arguments;
}

void expect_usage_error(const std::vector<std::string>& arguments, const std::string& says,
                        const Variables& variables = {}) {
  const Outcome outcome = bevgrad(arguments, variables);
  EXPECT_EQ(outcome.status, 2) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr(says));
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
}

TEST(Help, Everywhere) {
  const Outcome outcome = bevgrad({"--help"});
  EXPECT_EQ(outcome.status, 0);
  for (const char* command : {"run", "generate", "predict", "convert", "inspect", "compare", "cache", "bench"}) {
    EXPECT_THAT(outcome.out, HasSubstr(command));
    const Outcome help = bevgrad({command, "--help"});
    EXPECT_EQ(help.status, 0) << command;
    EXPECT_THAT(help.out, HasSubstr("Usage")) << command;
  }
}

TEST(Mistakes, EndWithTwoAndOneLine) {
  expect_usage_error({}, "subcommand");
  expect_usage_error({"rum"}, "did you mean \"run\"");
  expect_usage_error({"run", "--confg", "mini_step1"}, "--confg");
  expect_usage_error({"run"}, "--config is missing");
  expect_usage_error({"run", "--config", "mini_step9"}, "mini_step1");
  expect_usage_error({"run", "--config", "mini_step1", "--state", "test"}, "--state");
  if (cuda_device_count() == 0)
    expect_usage_error({"run", "--config", "mini_step1", "--device", "cuda"}, "--device cuda: " + cuda_problem());
  expect_usage_error({"run", "--config", "mini_step1", "--device", "cuda:99"}, "--device cuda:99: ");
  expect_usage_error({"run", "--config", "mini_step1", "--device", "cuda:x"}, "expected cpu, cuda or cuda:<number>");
  expect_usage_error({"run", "--config", "mini_step1", "--device", "gpu"}, "expected cpu, cuda or cuda:<number>");
  expect_usage_error({"run", "--config", "mini_step1", "--threads", "0"}, "--threads");
  expect_usage_error({"run", "--config", "mini_step1", "--set", "train.batch_sise=2"}, "batch_size");
  expect_usage_error({"run", "--config", "mini_step1", "--ckpt", "/no/where.ckpt"}, "/no/where.ckpt");
  expect_usage_error({"run", "--config", "mini_step1", "--state", "val", "--work-dir", TinyData::get().path("none")},
                     "--ckpt");
  expect_usage_error({"run", "--config", "mini_step1", "--set", "train.float_pretrain=/no/where.ckpt"},
                     "float_pretrain");
  expect_usage_error({"predict", "--config", "mini_step1"}, "--ckpt");
  expect_usage_error({"generate", "--config", "mini_step1"}, "--out");
  expect_usage_error({"run", "--config", "mini_step1"}, "WORLD_SIZE", {{"RANK", "0"}});
}

TEST(Failures, AtRunTimeEndWithOneAndOneLine) {
  const std::string path = TinyData::get().path("damaged.ckpt");
  std::ofstream(path) << "no checkpoint at all";
  const Outcome outcome = bevgrad(
      tiny({"run", "--state", "val", "--ckpt", path, "--work-dir", TinyData::get().path("lost")}, "mini_step1"));
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.err, HasSubstr("damaged.ckpt"));
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
}

TEST(Mistakes, AFileThatIsMissingIsOne) {
  expect_usage_error(tiny({"run", "--work-dir", TinyData::get().path("lost")}, "mini_step1", {"data.lmdb=nowhere.txt"}),
                     "nowhere.txt");
}

TEST(TaskConfig, ComesFromTheEnvironment) {
  const std::string path = TinyData::get().path("task.prototxt");
  std::ofstream(path) << "base: \"mini_step1\"\ntrain { batch_size: 0 }\n";
  expect_usage_error({"run"}, "task.prototxt:2", {{"LEAPAI_TASK_CONFIG", path}});
  expect_usage_error({"run", "--config", "mini_step2_static"}, "task.prototxt:2", {{"LEAPAI_TASK_CONFIG", path}});
}

/// Step 1 in small; its checkpoint is what other tests start from.
const std::string& step_one() {
  static const std::string work_dir = [] {
    const std::string path = TinyData::get().path("step1");
    const Outcome outcome =
        bevgrad(tiny({"run", "--state", "train", "--work_dir", path}, "mini_step1", {"train.train_steps=3"}));
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_THAT(outcome.out, AllOf(HasSubstr("train 3/3"), HasSubstr("peak memory"), Not(HasSubstr("\r"))));
    return path;
  }();
  return work_dir;
}

TEST(MainJob, StepOneStepTwoValidation) {
  const std::string two = TinyData::get().path("step2"), val = TinyData::get().path("val2");
  Outcome outcome = bevgrad(tiny({"run", "--work-dir", two}, "mini_step2_static",
                                 {"train.finetune_steps=3", "train.float_pretrain=" + step_one() + "/step1.ckpt"}));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("missing"), HasSubstr("bev_static_temporal_fusion"), HasSubstr("frozen are")));
  const configs::Document document = TinyData::get().document("mini_step2_static");
  const std::string output = two + "/" + document.proto.train().output_checkpoint();
  ASSERT_TRUE(std::filesystem::exists(output));
  outcome = bevgrad(tiny({"run", "--state", "val", "--ckpt", output, "--work-dir", val}, "mini_step2_static"));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("IoU per class"));
  EXPECT_TRUE(std::filesystem::exists(val + "/metrics.json"));
  EXPECT_THAT(read_file(val + "/report.html"), HasSubstr("<html"));
}

TEST(Device, TheMainJobRunsOnAGpu) {
  if (cuda_device_count() == 0) GTEST_SKIP() << "SKIPPED: no GPU: " << cuda_problem();
  const std::string one = TinyData::get().path("gpu1"), two = TinyData::get().path("gpu2");
  Outcome outcome = bevgrad(tiny({"run", "--device", "cuda", "--profile", "--work-dir", one}, "mini_step1",
                                 {"train.train_steps=3", "train.val_interval=3"}));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_TRUE(std::filesystem::exists(one + "/profile.txt"));
  outcome = bevgrad(tiny({"run", "--device", "cuda:0", "--work-dir", two}, "mini_step2_static",
                         {"train.finetune_steps=3", "train.float_pretrain=" + one + "/step1.ckpt",
                          "temporal.debug_dir=" + two + "/debug", "temporal.visualize_interval=1"}));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_FALSE(std::filesystem::is_empty(two + "/debug"));
  const std::string output =
      two + "/" + TinyData::get().document("mini_step2_static").proto.train().output_checkpoint();
  outcome = bevgrad(tiny({"run", "--state", "val", "--device", "cuda", "--ckpt", output, "--work-dir", two + "/val"},
                         "mini_step2_static"));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_TRUE(std::filesystem::exists(two + "/val/metrics.json"));
}

TEST(Cache, FilledListedVerifiedReadAndPruned) {
  const std::string work = TinyData::get().path("cache_step1"), dir = TinyData::get().path("cli_cache");
  ASSERT_EQ(bevgrad(tiny({"run", "--work-dir", work}, "mini_step1", {"train.train_steps=1"})).status, 0);
  const std::string setting = "feature_cache.dir=" + dir;
  const auto cache = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "cache");
    return bevgrad(arguments);
  };
  EXPECT_EQ(cache({"list", "--dir", dir}).status, 2);
  const Outcome filled =
      bevgrad(tiny({"cache", "fill", "--ckpt", work + "/step1.ckpt"}, "mini_step2_static", {setting}));
  EXPECT_EQ(filled.status, 0) << filled.err;
  EXPECT_THAT(filled.out, HasSubstr("are missing, they take"));
  const Outcome listed = cache({"list", "--dir", dir});
  EXPECT_THAT(listed.out, HasSubstr("1 encoder(s)"));
  EXPECT_THAT(listed.out, HasSubstr("step1.ckpt"));
  EXPECT_EQ(cache({"verify", "--dir", dir}).status, 0);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir)) {
    if (entry.path().extension() != ".feat") continue;
    std::filesystem::resize_file(entry.path(), 100);
    break;
  }
  EXPECT_EQ(cache({"verify", "--dir", dir}).status, 1);
  EXPECT_EQ(cache({"verify", "--remove", "--dir", dir}).status, 0);
  const Outcome trained =
      bevgrad(tiny({"run", "--work-dir", TinyData::get().path("cache_step2"), "--profile"}, "mini_step2_static",
                   {setting, "feature_cache.enabled=true", "train.finetune_steps=3",
                    "train.float_pretrain=" + work + "/step1.ckpt"}));
  EXPECT_EQ(trained.status, 0) << trained.err;
  EXPECT_THAT(trained.out, HasSubstr(": 1 of "));  // only the one that was removed
  EXPECT_THAT(read_file(TinyData::get().path("cache_step2") + "/profile.txt"), HasSubstr("bev_static_head"));
  EXPECT_THAT(cache({"prune", "--days", "0", "--dir", dir}).out, HasSubstr("removed "));
  EXPECT_THAT(cache({"list", "--dir", dir}).out, HasSubstr("0 encoder(s)"));
}

TEST(Bench, GivesFiguresAsATableAndAsJson) {
  const Outcome machine = bevgrad({"bench", "machine", "--threads", "1"});
  EXPECT_EQ(machine.status, 0) << machine.err;
  EXPECT_THAT(machine.out, HasSubstr("GB/s"));
  const Outcome step = bevgrad(tiny({"bench", "step2", "--repeats", "1", "--json", "-"}, "mini_step2_static"));
  EXPECT_EQ(step.status, 0) << step.err;
  EXPECT_THAT(step.out, HasSubstr("\"samples a second\""));
  expect_usage_error({"bench", "step3"}, "subcommand");
}

TEST(Torchrun, OneRankTakesItsPlaceFromTheEnvironment) {
  const Variables torchrun = {{"RANK", "0"},
                              {"WORLD_SIZE", "1"},
                              {"LOCAL_RANK", "0"},
                              {"LOCAL_WORLD_SIZE", "1"},
                              {"MASTER_ADDR", "127.0.0.1"},
                              {"MASTER_PORT", "29500"}};
  const Outcome outcome = bevgrad(
      tiny({"run", "--work-dir", TinyData::get().path("ranked")}, "mini_step1", {"train.train_steps=1"}), torchrun);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
}

TEST(DebugDir, ShowsTheFusion) {
  const std::string folder = TinyData::get().path("debug");
  const Outcome outcome =
      bevgrad(tiny({"run", "--work-dir", TinyData::get().path("debugged")}, "mini_step2_static",
                   {"train.finetune_steps=3", "temporal.visualize_interval=2", "temporal.debug_dir=" + folder}));
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_TRUE(std::filesystem::exists(folder + "/step_00000002.png"));
}

TEST(CtrlC, SavesAndEndsWith130) {
  const std::string work_dir = TinyData::get().path("ctrl_c");
  const pid_t child =
      start(tiny({"run", "--work-dir", work_dir}, "mini_step1", {"train.train_steps=100000", "train.log_interval=1"}));
  for (int i = 0; i < 600 && read_file(TinyData::get().path("out.txt")).find("train 2/") == std::string::npos; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  kill(child, SIGINT);
  const Outcome outcome = finish(child);
  EXPECT_EQ(outcome.status, 130) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("--resume auto"));
  EXPECT_FALSE(std::filesystem::is_empty(work_dir + "/checkpoints"));
  const Outcome resumed =
      bevgrad(tiny({"run", "--work-dir", work_dir, "--resume", "auto"}, "mini_step1", {"train.train_steps=1"}));
  EXPECT_EQ(resumed.status, 1);  // it stands past that end already
  EXPECT_THAT(resumed.err, HasSubstr("this config ends at 1"));
}

TEST(Predict, StreamsFramesAndTaps) {
  const configs::Document document = TinyData::get().document("mini_step2_static");
  const std::string inputs = write_inputs(document, "inputs.h5"), outputs = TinyData::get().path("outputs.h5");
  const Outcome outcome = bevgrad(tiny({"predict", "--ckpt", step_one() + "/step1.ckpt", "--inputs", inputs,
                                        "--outputs", outputs, "--tap", "stage1_backbone2.layer1", "--tap", "lidar_vfe"},
                                       "mini_step2_static"));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const Hdf5Reader reader(outputs);
  EXPECT_EQ(reader.sizes("lane_logits"), Shape({4, 9, 56, 104}));
  EXPECT_EQ(reader.sizes("instance_scores"), Shape({4, 100}));
  EXPECT_EQ(reader.sizes("tap/stage1_backbone2.layer1")[0], 8);  // two cameras of the group, four frames
  // Frame 2 has two past frames, frame 3 begins a sequence.
  const Tensor weights = reader.read("fusion_weights");
  const int64_t cells = weights.size(2) * weights.size(3), middle = cells / 2 + weights.size(3) / 2;
  const auto weight = [&](int64_t n, int64_t k) { return weights.data<float>()[(n * 3 + k) * cells + middle]; };
  EXPECT_EQ(weight(0, 0), 1.0f);
  EXPECT_LT(weight(2, 0), 1.0f);
  EXPECT_GT(weight(2, 2), 0.0f);
  EXPECT_EQ(weight(3, 0), 1.0f);
}

TEST(Predict, OnAGpuGivesTheSame) {
  if (cuda_device_count() == 0) GTEST_SKIP() << "SKIPPED: no GPU: " << cuda_problem();
  const configs::Document document = TinyData::get().document("mini_step2_static");
  const std::string inputs = write_inputs(document, "gpu_inputs.h5"), outputs = TinyData::get().path("cpu_outputs.h5");
  const Outcome on_cpu = bevgrad(tiny(
      {"predict", "--ckpt", step_one() + "/step1.ckpt", "--inputs", inputs, "--outputs", outputs, "--tap", "lidar_vfe"},
      "mini_step2_static"));
  ASSERT_EQ(on_cpu.status, 0) << on_cpu.err;
  const Hdf5Reader reader(outputs);
  const std::string from_gpu = TinyData::get().path("gpu_outputs.h5");
  const Outcome on_gpu =
      bevgrad(tiny({"predict", "--device", "cuda", "--set", "train.allow_tf32=false", "--ckpt",
                    step_one() + "/step1.ckpt", "--inputs", inputs, "--outputs", from_gpu, "--tap", "lidar_vfe"},
                   "mini_step2_static"));
  ASSERT_EQ(on_gpu.status, 0) << on_gpu.err;
  const Hdf5Reader other(from_gpu);
  for (const char* name : {"bev_fused", "lane_logits", "fusion_weights", "tap/lidar_vfe"}) {
    const auto a = reader.read(name).to_vector(), b = other.read(name).to_vector();
    ASSERT_EQ(a.size(), b.size()) << name;
    for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-3 * std::max(1.0, std::abs(a[i]))) << name;
  }
}

/// Images of bytes: noise, the same in every file of one size.
Tensor byte_images() {
  Tensor images = zeros({4, 4, 3, 32, 48}, {.dtype = DType::UInt8});
  for (int64_t i = 0; i < images.numel(); ++i) images.data<uint8_t>()[i] = static_cast<uint8_t>(i * 2654435761u >> 13);
  return images;
}

TEST(Predict, NormalisesBytesAndRefusesWhatWasNeverNormalised) {
  const configs::Document document = TinyData::get().document("mini_step1");
  const auto predict = [&](const std::string& inputs, const std::string& outputs) {
    return bevgrad(tiny({"predict", "--ckpt", step_one() + "/step1.ckpt", "--inputs", inputs, "--outputs", outputs},
                        "mini_step1"));
  };
  const config::Sensors& sensors = document.proto.sensors();
  const Tensor bytes = byte_images();
  Tensor normalised = ops::to(bytes, DType::Float32);
  for (int64_t i = 0; i < normalised.numel(); ++i) {
    const int channel = static_cast<int>(i / (32 * 48) % 3);
    float& value = normalised.data<float>()[i];
    value = static_cast<float>((value - sensors.mean(channel)) / sensors.std(channel));
  }
  const std::string from_bytes = TinyData::get().path("bytes_out.h5"),
                    from_floats = TinyData::get().path("floats_out.h5");
  Outcome outcome = predict(write_inputs(document, "bytes.h5", false, bytes), from_bytes);
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  outcome = predict(write_inputs(document, "floats.h5", false, normalised), from_floats);
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const auto a = Hdf5Reader(from_bytes).read("lane_logits").to_vector(),
             b = Hdf5Reader(from_floats).read("lane_logits").to_vector();
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-4) << i;

  for (const auto& [name, images] : {std::pair{"raw.h5", ops::to(bytes, DType::Float32)},
                                     {"int.h5", ops::to(bytes, DType::Int32)},
                                     {"nan.h5", full({4, 4, 3, 32, 48}, NAN)}}) {
    outcome = predict(write_inputs(document, name, false, images), TinyData::get().path("never.h5"));
    EXPECT_EQ(outcome.status, 2) << name;
    EXPECT_THAT(outcome.err, AllOf(HasSubstr(name), HasSubstr("images"))) << name;
  }
  const std::string help = bevgrad({"predict", "--help"}).out;
  for (const char* dataset : {"images", "intrinsics", "distortion", "sensor2ego", "points/<i>", "ego_pose", "timestamp",
                              "sequence", "uint8", "lane_logits"})
    EXPECT_THAT(help, HasSubstr(dataset));
}

TEST(Eval, WrongFlagsAreNamed) {
  const std::string path = TinyData::get().path("rasters.h5");
  {
    Hdf5Writer writer(path);
    writer.write("lane", zeros({1, 2, 224, 416}, {.dtype = DType::UInt8}));
    writer.commit();
  }
  const std::string predictions = TinyData::get().path("rasters_p.h5");
  {
    Hdf5Writer writer(predictions);
    writer.write("lane", zeros({1, 2, 224, 416}));
    writer.commit();
  }
  const auto with = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"eval", "--predictions", predictions, "--labels", path};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  };
  EXPECT_EQ(bevgrad(with({})).status, 0);
  for (const char* cell : {"0", "nan", "1e-9", "-1", "inf", "x"}) {
    expect_usage_error(with({"--cell", cell}), "--cell");
    EXPECT_LT(bevgrad(with({"--cell", cell})).err.size(), 120u) << cell;
  }
  expect_usage_error(with({"--x-min", "nan"}), "--x-min");
  expect_usage_error(with({"--lane-classes", "a,b,c"}), "--lane-classes: 3 names");
  expect_usage_error(with({"--lane-classes", "a,a"}), "given twice");
  expect_usage_error(with({"--config", "mini_step1", "--lane-classes", "a,b"}), "--lane-classes");
  expect_usage_error(with({"--config", "mini_step1", "--cell", "0.2"}), "--cell");
}

TEST(Predict, WrongInputsAreNamed) {
  const configs::Document document = TinyData::get().document("mini_step2_static");
  const std::string outputs = TinyData::get().path("never.h5");
  const auto run = [&](const std::string& inputs, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"predict",   "--ckpt", step_one() + "/step1.ckpt", "--inputs", inputs,
                                          "--outputs", outputs};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return bevgrad(tiny(arguments, "mini_step2_static"));
  };
  Outcome outcome = run(write_inputs(document, "no_poses.h5", false), {});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("no_poses.h5"), HasSubstr("ego_pose")));
  outcome = run(write_inputs(document, "fine.h5"), {"--tap", "stage1_backbone9"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("stage1_backbone9"));
  EXPECT_FALSE(std::filesystem::exists(outputs));
}

// A folder of downloads may hold anything, also files with the names of our libraries.
TEST(Libraries, AreNotLookedForInTheCurrentFolder) {
  const std::filesystem::path folder = TinyData::get().path("libraries");
  std::filesystem::create_directories(folder);
  std::istringstream loaded(bevgrad({}, {{"LD_TRACE_LOADED_OBJECTS", "1"}}).out);  // what ldd does
  int count = 0;
  for (std::string line; std::getline(loaded, line);) {
    const size_t begin = line.find_first_not_of("\t "), end = line.find(" => /");
    if (end == std::string::npos) continue;
    std::ofstream(folder / line.substr(begin, end - begin)) << "no library";
    ++count;
  }
  EXPECT_GT(count, 5);
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder);
  const Outcome outcome = bevgrad({"--version"});
  std::filesystem::current_path(before);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
}

}  // namespace
}  // namespace bevgrad
