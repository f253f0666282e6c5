// Benches and profiles: they run on any config, add up, and say what belongs to which module.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "autograd/functions.h"
#include "base/error.h"
#include "nn/batch_norm.h"
#include "nn/conv.h"
#include "nn/module_call.h"
#include "profiling/benches.h"
#include "profiling/scale.h"
#include "support/devices.h"
#include "train/profile_report.h"
#include "train/tiny_run.h"
#include "train/trainer.h"

namespace bevgrad {
namespace {

using testing::HasSubstr;

double value_of(const std::vector<Figure>& figures, const std::string& name) {
  for (const Figure& figure : figures)
    if (figure.name == name) return figure.value;
  ADD_FAILURE() << "no figure " << name;
  return 0;
}

TEST(MachineLimits, ArePlausible) {
  const MachineLimits limits = measure_machine(1);
  EXPECT_GT(limits.threads, 0);
  EXPECT_GT(limits.memory, 1e7);
  EXPECT_LT(limits.float32, 1e15);
  for (const Figure& figure : bench_machine(limits)) EXPECT_GT(figure.value, 0) << figure.name;
  const MachineLimits of_device{.float32 = 2e9, .bfloat16 = 4e9, .memory = 1e9};
  EXPECT_EQ(value_of(bench_machine(of_device, {DeviceKind::CUDA, 0}), "float32 matrix products"), 2);
}

TEST(Bench, TrainsStepTwoWithAndWithoutFeatures) {
  for (const char* amp : {"train.use_head_amp=false", "train.use_head_amp=true"}) {
    const configs::Document document = TinyData::get().document("mini_step2_static", {amp});
    for (const bool cached : {true, false}) {
      const std::vector<Figure> figures =
          bench_training(document, {.batch = 2, .repeats = 1, .cached = cached, .trace = ""}, {.float32 = 1e9});
      EXPECT_GT(value_of(figures, "samples a second"), 0);
      EXPECT_GT(value_of(figures, "work of convolutions and products"), 0);
      EXPECT_GT(value_of(figures, "memory, activations"), 0);
    }
  }
}

TEST(Bench, RunsOnEveryDevice) {
  for (const Device device : test_devices()) {
    const configs::Document document = TinyData::get().document("mini_step2_static");
    for (const bool cached : {true, false}) {
      const BenchOptions options{.batch = 1, .repeats = 1, .cached = cached, .trace = "", .device = device};
      const std::vector<Figure> figures = bench_training(document, options, {});
      EXPECT_GT(value_of(figures, "samples a second"), 0);
      EXPECT_GT(value_of(figures, "memory, activations"), 0);
    }
    const BenchOptions options{.batch = 1, .repeats = 1, .trace = "", .device = device};
    EXPECT_GT(value_of(bench_inference(document, options, {}), "forward"), 0);
    EXPECT_GT(value_of(bench_modules(document, options), "bev_static_head backward"), 0);
    EXPECT_GT(bench_ops(document, options, {}).size(), 20u);
  }
}

TEST(Bench, RooflineTellsThePrimitivesThatMakeMostOfAStep) {
  const configs::Document document = TinyData::get().document("mini_step2_static");
  const BenchOptions options{.batch = 2, .repeats = 2, .trace = ""};
  const std::vector<Figure> figures = bench_roofline(document, options, {.float32 = 1e12, .memory = 1e11});
  const double step = value_of(figures, "step"), others = value_of(figures, "all others");
  EXPECT_LE(others, 0.1 * step);
  double sum = others;
  bool has_convolution = false;
  for (size_t i = 1; i + 1 < figures.size(); ++i) {
    sum += figures[i].value;
    EXPECT_LE(figures[i].value, figures[i > 1 ? i - 1 : 0].value) << figures[i].name;
    has_convolution |= figures[i].name == "conv2d backward weight bev_static_head.up2.conv" && figures[i].share > 0;
  }
  EXPECT_NEAR(sum, step, 1e-6 * step);
  EXPECT_TRUE(has_convolution);
}

TEST(Bench, AMemoryBudgetIsKeptOrNamed) {
  const BenchOptions options{.batch = 2, .repeats = 1, .trace = ""};
  EXPECT_THROW(bench_training(TinyData::get().document("mini_step1", {"train.memory_budget_gb=0.001"}), options, {}),
               UsageError);
  const std::vector<Figure> figures =
      bench_training(TinyData::get().document("mini_step1", {"train.memory_budget_gb=100"}), options, {});
  EXPECT_GT(value_of(figures, "memory, program and libraries"), 1);
  EXPECT_GT(value_of(figures, "memory, tensors, free blocks and program"),
            value_of(figures, "memory, peak of all tensors"));
}

TEST(Bench, ScaleOpensAndReadsWhatItMade) {
  const std::string folder = TinyData::get().path("scale");
  const std::vector<Figure> figures = bench_scale(TinyData::get().document("mini_step2_static"),
                                                  {.records = 2500, .features = 200, .processes = 3, .folder = folder});
  EXPECT_GT(value_of(figures, "opening a list of 2500 records"), 0);
  EXPECT_GT(value_of(figures, "features a second, one process"), 0);
  EXPECT_GT(value_of(figures, "features a second, 3 processes"), 0);
  for (const Figure& figure : figures) {
    if (figure.name == "finding what it lacks") {
      EXPECT_EQ(figure.remark, "200 of 200 are there");
    }
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder));
}

TEST(Bench, TimesEveryOperationBothWays) {
  const std::vector<Figure> all = bench_operations({.repeats = 1, .trace = ""});
  EXPECT_GT(all.size(), 200u);
  for (const Figure& figure : all) {
    EXPECT_GT(figure.value, 0) << figure.name;
    EXPECT_EQ(figure.unit, "us") << figure.name;
  }
  const std::vector<Figure> some = bench_operations({.repeats = 1, .trace = "", .processor_time = true}, "max_pool2d");
  ASSERT_EQ(some.size(), 2u);
  EXPECT_EQ(some[0].name, "max_pool2d, forward");
  EXPECT_EQ(some[0].remark, "float32 [2,128,56,104] channels-last");
  EXPECT_EQ(some[1].name, "max_pool2d, backward");
  const BenchOptions once{.repeats = 1, .trace = ""};
  EXPECT_EQ(bench_operations(once, "sum").size(), 2u);  // a name, though others contain it
  EXPECT_EQ(bench_operations(once, "group_norm").size(), 2u);
  EXPECT_EQ(bench_operations(once, "norm_last").size(), 2u);
  const std::vector<Figure> small = bench_operations(once, "of_four");
  ASSERT_EQ(small.size(), 1u);
  EXPECT_EQ(small[0].name, "add_of_four, recorded");
  EXPECT_THROW(bench_operations(once, "no_such"), UsageError);
}

TEST(Bench, OtherPiecesRun) {
  const configs::Document document = TinyData::get().document("mini_step1");
  EXPECT_GT(value_of(bench_training(document, {.batch = 1, .repeats = 1, .trace = ""}, {}), "backward"), 0);
  EXPECT_GT(value_of(bench_inference(document, {.repeats = 1, .trace = ""}, {}), "forward"), 0);
  const configs::Document int8 = TinyData::get().document("mini_step1", {"int8.on=true"});
  const std::vector<Figure> inference = bench_inference(int8, {.repeats = 1, .trace = ""}, {});
  for (const char* name : {"first forward", "fuser forward", "bev_static_head forward"})
    EXPECT_GT(value_of(inference, name), 0) << name;
  EXPECT_GT(value_of(bench_loading(document, {.batch = 2, .repeats = 1, .trace = ""}), "samples a second"), 0);
  EXPECT_GT(value_of(bench_checkpoint(document, TinyData::get().path("")), "writing"), 0);
  EXPECT_GT(bench_ops(document, {.batch = 1, .repeats = 1, .trace = ""}, {}).size(), 20u);
  const std::vector<Figure> modules = bench_modules(document, {.batch = 1, .trace = ""});
  EXPECT_GT(value_of(modules, "stage1_backbone0 forward"), 0);
  EXPECT_GT(value_of(modules, "stage1_backbone0 backward"), 0);
  EXPECT_GT(value_of(modules, "bev_static_head backward"), 0);
  const auto json = nlohmann::json::parse(to_json("modules", modules));
  EXPECT_EQ(json["figures"].size(), modules.size());
}

TEST(Model, FollowsThePublishedRates) {
  const configs::Document document = TinyData::get().document("mini_step2_static");
  const BenchOptions options{.batch = 2, .repeats = 1, .trace = ""};
  const std::vector<Figure> h200 = bench_model(document, options, "h200"),
                            b200 = bench_model(document, options, "b200");
  const double flops = 1e9 * value_of(bench_training(document, options, {}), "work of convolutions and products");
  // Milliseconds at 494 and 1125 TFLOP/s (TF32), and at 4.8 and 8 TB/s.
  EXPECT_NEAR(value_of(h200, "arithmetic alone"), 1e3 * flops / 494e12, 1e-6 * value_of(h200, "arithmetic alone"));
  EXPECT_NEAR(value_of(b200, "arithmetic alone"), 1e3 * flops / 1125e12, 1e-6 * value_of(b200, "arithmetic alone"));
  EXPECT_NEAR(value_of(h200, "memory alone") * 4.8, value_of(b200, "memory alone") * 8, 1e-9);
  for (const auto& figures : {h200, b200}) {
    const double least = value_of(figures, "least time of a step"), memory = value_of(figures, "memory alone"),
                 arithmetic = value_of(figures, "arithmetic alone");
    EXPECT_GE(least, std::max(memory, arithmetic));
    EXPECT_LE(least, memory + arithmetic);
  }
  EXPECT_THROW(bench_model(document, options, "h2000"), Error);
}

struct Block : Module {
  Conv2d conv{3, 8, {.kernel = 3, .padding = 1}};
  Block() { register_module("conv", conv); }
};

TEST(Profile, KernelsLieInOperationsAndOperationsInModules) {
  Block block;
  const Tensor x = ones({2, 3, 8, 8}, {.format = MemoryFormat::ChannelsLast});
  EXPECT_FALSE(profile::is_active());
  profile::start();
  const Tensor y = block.conv.forward(x);
  const Tensor loss = sum(y);
  profile::phase_done("loss");
  backward(loss);
  const std::vector<profile::Event> events = profile::stop();
  EXPECT_FALSE(profile::is_active());
  int kernels = 0;
  for (const profile::Event& event : events) {
    EXPECT_GE(event.seconds, 0);
    if (std::string(event.name).starts_with("conv2d")) {
      EXPECT_EQ(event.module, &block.conv) << event.name;
    }
    if (event.kind != profile::Kind::Kernel || event.flops == 0) continue;
    ++kernels;
    EXPECT_EQ(event.flops, 2.0 * 2 * 8 * 64 * 27) << event.name;
    // y and x, the weight, and on the way in the bias: each once.
    const size_t numbers = 2 * 8 * 64 + 2 * 3 * 64 + 8 * 27;
    EXPECT_EQ(event.bytes, 4 * (numbers + (std::string(event.name) == "conv2d" ? 8 : 0))) << event.name;
  }
  EXPECT_EQ(kernels, 2);  // the input wants no gradient
  const std::string table = profile_table(events, block);
  EXPECT_THAT(table, HasSubstr("conv2d backward weight"));
  EXPECT_THAT(table, HasSubstr("(loss)"));
  EXPECT_EQ(nlohmann::json::parse(chrome_trace(events, block))["traceEvents"].size(), events.size() + 2);
}

// Work that no module within does: before, between and after the calls.
struct Attention : Module {
  Conv2d query{3, 4, {.kernel = 1}}, value{3, 4, {.kernel = 1}};
  Attention() {
    register_module("query", query);
    register_module("value", value);
  }
  Tensor forward(const Tensor& x) {
    return module_call(*this, [&] {
      const Tensor shifted = add(x, x);
      const Tensor weights = sigmoid(query.forward(shifted));
      return mul(weights, value.forward(x));
    });
  }
};
struct Caller : Module {
  Attention attention;
  Conv2d after{4, 4, {.kernel = 1}};
  Caller() {
    register_module("attention", attention);
    register_module("after", after);
  }
  Tensor forward(const Tensor& x) {
    return module_call(*this, [&] { return after.forward(relu(attention.forward(x))); });
  }
};

TEST(Profile, WorkWithoutANameIsBookedOnItsCaller) {
  Caller caller;
  const Tensor x = ones({2, 3, 8, 8}, {.format = MemoryFormat::ChannelsLast});
  profile::start();
  const Tensor y = caller.forward(x);
  backward(sum(y));
  std::map<std::string, std::set<const void*>> forward, in_backward;
  for (const profile::Event& event : profile::stop()) {
    if (event.kind == profile::Kind::Forward) forward[event.name].insert(event.module);
    if (event.kind == profile::Kind::Backward) in_backward[event.name].insert(event.module);
  }
  using Modules = std::set<const void*>;
  const Attention& attention = caller.attention;
  EXPECT_EQ(forward["add"], Modules{&attention});
  EXPECT_EQ(forward["sigmoid"], Modules{&attention});
  EXPECT_EQ(forward["mul"], Modules{&attention});
  EXPECT_EQ(forward["relu"], Modules{&caller});
  EXPECT_EQ(forward["conv2d"], (Modules{&attention.query, &attention.value, &caller.after}));
  EXPECT_EQ(forward["sum"], Modules{nullptr});
  EXPECT_EQ(in_backward["mul"], Modules{&attention});
  EXPECT_EQ(in_backward["relu"], Modules{&caller});
}

TEST(Profile, ChangesNoResultOfATraining) {
  const std::unique_ptr<ProcessGroup> group = make_single_process_group();
  std::vector<double> losses;
  for (const bool profiled : {false, true}) {
    TrainerOptions options;
    options.work_dir = TinyData::get().path(profiled ? "profiled" : "not_profiled");
    options.quiet = true;
    options.profile = profiled;
    Trainer trainer(TinyData::get().document("mini_step1", {"train.train_steps=4"}), options, *group);
    trainer.run();
    losses.push_back(trainer.network().state_dict().front().second.to_vector().front());
    EXPECT_EQ(std::ifstream(options.work_dir + "/profile.txt").good(), profiled);
  }
  EXPECT_EQ(losses[0], losses[1]);
}

}  // namespace
}  // namespace bevgrad
