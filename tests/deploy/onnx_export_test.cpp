// The exported model: its parts and sizes, what is refused; and its maps in ONNX Runtime where that is installed.
#include "deploy/onnx_export.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#define ONNX_NAMESPACE onnx
#define ONNX_ML 1
#include <onnx/onnx_pb.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>

#include "base/files.h"
#include "deploy/random_checkpoint.h"
#include "export/layers.h"
#include "export/stages.h"
#include "models/blocks.h"
#include "nn/init.h"
#include "support/error_of.h"
#include "support/paths.h"
#include "tensor/ops.h"
#include "train/predict_file.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

onnx::ModelProto model_at(const std::string& path) {
  onnx::ModelProto model;
  std::ifstream stream(path, std::ios::binary);
  EXPECT_TRUE(model.ParseFromIstream(&stream)) << path;
  return model;
}

template <class List>
std::vector<std::string> names(const List& list) {
  std::vector<std::string> result;
  for (const auto& entry : list) result.push_back(entry.name());
  return result;
}

void run(const configs::Document& document, const OnnxExportOptions& options) {
  RunLog log;
  export_onnx(document, options, log, standard_parts());
}

TEST(OnnxExport, NamesInputsAndOutputsAsPredictDoes) {
  const configs::Document document = TinyData::get().document("mini_step2_static");
  const std::string out = TinyData::get().path("map.onnx");
  run(document, {.ckpt = random_checkpoint(document, "two.h5"), .out = out});
  const onnx::ModelProto model = model_at(out);
  EXPECT_THAT(names(model.graph().input()),
              ElementsAre("images_front", "images_back", "images_side", "grid_front", "weight_front", "grid_back",
                          "weight_back", "grid_side", "weight_side", "pillars", "pillar_cells", "history_features",
                          "feature_warp_matrix", "history_valid"));
  EXPECT_THAT(names(model.graph().output()),
              ElementsAre("bev_camera", "bev_lidar", "bev_fused", "fusion_weights", "bev_temporal", "lane_logits",
                          "road_logits", "instance_heatmap", "instance_box"));
  EXPECT_EQ(model.opset_import(0).version(), 17);
  const auto& lanes = model.graph().output(5).type().tensor_type().shape();
  EXPECT_EQ(lanes.dim(0).dim_param(), "N");
  EXPECT_EQ(lanes.dim(1).dim_value(), 9);
  EXPECT_EQ(lanes.dim(3).dim_value(), 104);
  // Norms are folded, and no operator is of a domain of its own.
  for (const auto& node : model.graph().node()) {
    EXPECT_NE(node.op_type(), "BatchNormalization");
    EXPECT_EQ(node.domain(), "");
  }
}

TEST(OnnxExport, TheHalvesMeetAtTheFusedFeature) {
  const configs::Document document = TinyData::get().document("mini_step2_static");
  run(document,
      {.ckpt = random_checkpoint(document, "halves.h5"), .out = TinyData::get().path("half.onnx"), .split = true});
  const onnx::ModelProto encoder = model_at(TinyData::get().path("half.encoder.onnx"));
  const onnx::ModelProto decoder = model_at(TinyData::get().path("half.decoder.onnx"));
  EXPECT_THAT(names(encoder.graph().output()), ElementsAre("bev_camera", "bev_lidar", "bev_fused"));
  EXPECT_THAT(names(decoder.graph().input()),
              ElementsAre("bev_fused", "history_features", "feature_warp_matrix", "history_valid"));
  EXPECT_FALSE(std::filesystem::exists(TinyData::get().path("half.onnx")));
}

TEST(OnnxExport, AnotherConfigsCheckpointIsRefusedAndNothingIsWritten) {
  const configs::Document one = TinyData::get().document("mini_step1");
  const configs::Document wider = TinyData::get().document("mini_step1", {"network.bev_channels=16"});
  const std::string ckpt = random_checkpoint(one, "one.h5"), out = TinyData::get().path("never.onnx");
  EXPECT_THAT(testing::error_of([&] { run(wider, {.ckpt = ckpt, .out = out}); }), HasSubstr("one.h5"));
  EXPECT_FALSE(std::filesystem::exists(out));
}

/// A head of another program: one 1x1 convolution.
struct MyHead final : Head {
  MyHead(int64_t channels, Generator& generator) : out(channels, 2, {.kernel = 1}) {
    register_module("out", out);
    init::reset_parameters(*this, generator);
  }
  NamedTensors forward(const Tensor& feature) override { return {{"mine", out.forward(feature)}}; }
  Conv2d out;
};

struct MyTask : Task {
  std::unique_ptr<Head> make_head(int64_t channels, Generator& generator) const override {
    return std::make_unique<MyHead>(channels, generator);
  }
  std::vector<LossTerm> losses(const NetworkOutput&, const Batch&) const override { return {}; }
};

struct MyExportedTask final : MyTask {
  OnnxMaps export_head(OnnxLayers& layers, const OnnxMap& feature) const override {
    return {{"mine", layers.conv(feature, "my_head.out", {.relu = false})}};
  }
};

template <class T>
Parts parts_with() {
  Parts parts = standard_parts();
  parts.tasks.push_back({.name = "mine", .module = "my_head", .make = [](const configs::Document&) {
                           return std::unique_ptr<Task>(std::make_unique<T>());
                         }});
  return parts;
}

TEST(OnnxExport, ATaskOfAnotherProgramBringsItsHead) {
  const configs::Document document = TinyData::get().document("mini_step1");
  const Parts parts = parts_with<MyExportedTask>();
  const std::string out = TinyData::get().path("mine.onnx");
  RunLog log;
  export_onnx(document, {.ckpt = random_checkpoint(document, "mine.h5", parts), .out = out}, log, parts);
  EXPECT_THAT(names(model_at(out).graph().output()), Contains("mine"));
}

TEST(OnnxExport, AHeadWhoseTaskHasNoExportIsNamed) {
  const configs::Document document = TinyData::get().document("mini_step1");
  const Parts parts = parts_with<MyTask>();
  const std::string out = TinyData::get().path("never.onnx");
  RunLog log;
  const std::string text = testing::error_of([&] {
    export_onnx(document, {.ckpt = random_checkpoint(document, "silent.h5", parts), .out = out}, log, parts);
  });
  EXPECT_THAT(text, AllOf(HasSubstr("my_head"), HasSubstr("no form in ONNX")));
  EXPECT_FALSE(std::filesystem::exists(out));
}

TEST(OnnxExport, APartWithoutAFormIsNamedByItsField) {
  for (const std::string name : {"DeformableAttention", "GKT"}) {
    const configs::Document document = TinyData::get().document("mini_step1", {"network.view_transform=" + name});
    EXPECT_THAT(testing::error_of([&] { run(document, {.ckpt = "nowhere.ckpt", .out = "never.onnx"}); }),
                HasSubstr("field \"network.view_transform\": \"" + name + "\" has no form in ONNX"));
  }
}

TEST(OnnxExport, DynamicPillarsAreRefused) {
  const configs::Document document = TinyData::get().document("mini_step1", {"network.lidar.dynamic=true"});
  EXPECT_THAT(testing::error_of([&] { run(document, {.ckpt = "nowhere.ckpt", .out = "never.onnx"}); }),
              HasSubstr("field \"network.lidar.dynamic\": dynamic pillars have no form in ONNX"));
}

/// Settings that make a backbone small, and strides of 4 to 32 fit tiny images.
std::vector<std::string> small_backbone(const std::string& name) {
  std::vector<std::string> sets = {"network.backbone=" + name,
                                   "network.stem_max_pool=true",
                                   "network.regnet.depths=[1, 2, 1, 1]",
                                   "network.regnet.widths=[8, 8, 16, 16]",
                                   "network.efficientnet_lite={ width: 0.2 depth: 0.5 }",
                                   "network.convnext.depths=[1, 1, 2, 1]",
                                   "network.convnext.widths=[8, 8, 12, 16]"};
  for (int group = 0; group < 3; ++group) sets.push_back(fmt::format("sensors.groups[{}].taps=[1,2,3]", group));
  return sets;
}

TEST(OnnxExport, PartsThatAreChosenByNameHaveForms) {
  std::vector<std::vector<std::string>> choices = {{"network.backbone=BottleneckResNet"},
                                                   {"network.neck=GeneralizedLSSFPN"},
                                                   {"temporal.fusion=ConvGRU"},
                                                   {"network.view_transform=LiftSplat"},
                                                   {"tasks.vector_map.on=true"}};
  for (const char* name : {"RegNet", "EfficientNetLite", "ConvNeXt"}) choices.push_back(small_backbone(name));
  for (const std::vector<std::string>& sets : choices) {
    const std::string& set = sets[0];
    const configs::Document document = TinyData::get().document("mini_step2_static", sets);
    const std::string out = TinyData::get().path("part.onnx");
    run(document, {.ckpt = random_checkpoint(document, "part.h5"), .out = out});
    EXPECT_THAT(names(model_at(out).graph().output()), Contains("lane_logits")) << set;
  }
}

TEST(OnnxExport, HeadsOfTasksThatAreOnAreOutputs) {
  const configs::Document document =
      TinyData::get().document("mini_step1", {"tasks.attribute_task=true", "tasks.occupancy_task=true"});
  const std::string out = TinyData::get().path("heads.onnx");
  run(document, {.ckpt = random_checkpoint(document, "heads.h5"), .out = out});
  EXPECT_THAT(names(model_at(out).graph().output()),
              ::testing::IsSupersetOf({"box_attribute_logits", "lane_attribute_logits", "occupancy_logits"}));
}

TEST(OnnxExport, APartOfAnotherProgramIsWhatItsRowSays) {
  const configs::Document document = TinyData::get().document("mini_step1", {"network.neck=Mine"});
  Parts parts = standard_parts();
  const auto make = parts.necks.front().make;
  parts.necks.push_back({"Mine", make});
  const std::string ckpt = random_checkpoint(document, "my_neck.h5", parts);
  const OnnxExportOptions options{.ckpt = ckpt, .out = TinyData::get().path("my_neck.onnx")};
  RunLog log;
  EXPECT_THAT(testing::error_of([&] { export_onnx(document, options, log, parts); }),
              HasSubstr("field \"network.neck\": \"Mine\" has no form in ONNX"));
  // A form that leaves out what the neck has is noticed.
  parts.necks.push_back({"Mine", make, nullptr,
                         [](OnnxLayers&, const std::string&, const std::vector<OnnxMap>& maps) { return maps[0]; }});
  EXPECT_THAT(testing::error_of([&] { export_onnx(document, options, log, parts); }), HasSubstr("stage1_neck0"));
  EXPECT_FALSE(std::filesystem::exists(options.out));
  parts.necks.push_back({"Mine", make, nullptr, export_fpn});
  export_onnx(document, options, log, parts);
  EXPECT_THAT(names(model_at(options.out).graph().output()), Contains("lane_logits"));
}

TEST(OnnxExport, NormalisedFramesAreNotFedToAModelOfBytes) {
  const configs::Document document = TinyData::get().document("mini_step1");
  const std::string frames = write_inputs(document, "floats_for_export.h5", false);
  const OnnxExportOptions options{.ckpt = random_checkpoint(document, "feeds.h5"),
                                  .out = TinyData::get().path("bytes.onnx"),
                                  .frames = frames,
                                  .feeds = TinyData::get().path("feeds_out.h5")};
  EXPECT_THAT(testing::error_of([&] { run(document, options); }),
              AllOf(HasSubstr("floats_for_export.h5"), HasSubstr("--normalised-images")));
  EXPECT_FALSE(std::filesystem::exists(options.feeds));
}

TEST(OnnxExport, CandidatesAreOutputsOnlyWhereTheyAreAskedFor) {
  const configs::Document document = TinyData::get().document("mini_step1");
  const std::string ckpt = random_checkpoint(document, "candidates.h5"), out = TinyData::get().path("candidates.onnx");
  run(document, {.ckpt = ckpt, .out = out, .candidates = true});
  EXPECT_THAT(names(model_at(out).graph().output()),
              AllOf(Contains("instance_candidates"), Contains("box_candidates"), Contains("lane_logits")));
  run(document, {.ckpt = ckpt, .out = out});
  EXPECT_THAT(names(model_at(out).graph().output()), Not(Contains(HasSubstr("candidates"))));
}

/// The Python that has what tests/golden/models/check_onnx.py needs; empty: none.
std::string onnx_python() {
  const char* python = std::getenv("BEVGRAD_ONNX_PYTHON");
  const std::string program = python == nullptr ? "python3" : python;
  const bool has = std::system((program + " -c 'import h5py, numpy, onnx, onnxruntime' 2>/dev/null").c_str()) == 0;
  return has ? program : "";
}

/// What is wrong with the models of a network over four frames; empty: they give what predict gives.
std::string check_onnx(const configs::Document& document, const std::string& config, const std::string& ckpt,
                       const std::string& flags) {
  Tensor bytes = zeros({4, 4, 3, 32, 48}, {.dtype = DType::UInt8});
  for (int64_t i = 0; i < bytes.numel(); ++i) bytes.data<uint8_t>()[i] = static_cast<uint8_t>(i * 2654435761u >> 13);
  const std::string work = TinyData::get().path("onnx");
  std::filesystem::create_directories(work);
  std::string command =
      fmt::format("{} {}/tests/golden/models/check_onnx.py --bevgrad {} --config {} --ckpt {} --inputs {} --work {}",
                  onnx_python(), testing::source_dir(), testing::bevgrad_binary(), config, ckpt,
                  write_inputs(document, "parity_in.h5", true, bytes), work);
  for (const std::string& set : tiny_settings()) command += " --set '" + set + "'";
  command += fmt::format(" --set data.root={} {} > {}/log.txt 2>&1", TinyData::get().root(), flags, work);
  if (std::system(command.c_str()) == 0) return "";
  std::ifstream log(work + "/log.txt");
  return {std::istreambuf_iterator<char>(log), {}};
}

constexpr const char* kNoPython =
    "SKIPPED: python3 has no onnxruntime, onnx, h5py and numpy (scripts/check_onnx.sh installs them)";

constexpr const char* kSmallVectors =
    "tasks.vector_map={on: true max_vectors: 7 points: 5 channels: 16 heads: 4 layers: 2 feedforward: 24}";

TEST(OnnxExport, OnnxRuntimeGivesWhatPredictGives) {
  if (onnx_python().empty()) GTEST_SKIP() << kNoPython;
  struct Case {
    const char *config, *set, *precision;
  };
  for (const auto& [config, set, precision] : {Case{"mini_step1", "temporal.warp=nearest", "float32"},
                                               {"mini_step1", "tasks.attribute_task=true", "float32"},
                                               {"mini_step2_static", "temporal.warp=nearest", "float32"},
                                               {"mini_step2_static", "temporal.warp=bilinear", "float32"},
                                               {"mini_step2_static", "network.backbone=BottleneckResNet", "float32"},
                                               {"mini_step2_static", "network.neck=GeneralizedLSSFPN", "float32"},
                                               {"mini_step2_static", "temporal.fusion=ConvGRU", "float32"},
                                               {"mini_step2_static", "temporal.fusion=ConvGRU", "float16"},
                                               {"mini_step2_static", "temporal.fusion=ConvGRU", "int8"},
                                               {"mini_step2_static", "temporal.overlap=true", "float32"},
                                               {"mini_step2_static", "temporal.overlap=true", "float16"},
                                               {"mini_step2_static", "temporal.overlap=true", "bfloat16"},
                                               {"mini_step2_static", "temporal.overlap=true", "int8"},
                                               {"mini_step1", "network.view_transform=LiftSplat", "float32"},
                                               {"mini_step2_static", "network.view_transform=LiftSplat", "float16"},
                                               {"mini_step1", kSmallVectors, "float32"},
                                               {"mini_step2_static", kSmallVectors, "float16"},
                                               {"mini_step2_static", kSmallVectors, "int8"},
                                               {"mini_step2_static", "temporal.overlap=true", "int8-signed"}}) {
    const configs::Document document = TinyData::get().document(config, {set});
    EXPECT_EQ(check_onnx(document, config, random_checkpoint(document, "parity.h5"),
                         fmt::format("--set '{}' --precision {}", set, precision)),
              "")
        << config << " " << set << " " << precision;
  }
}

TEST(OnnxExport, ConstantsThatProtobufDoesNotHoldLieInAFileBesideTheModel) {
  Generator generator(1);
  const Tensor weight = generator.normal({300, 7}), bias = generator.normal({7});
  const std::string path = TinyData::get().path("large.onnx");
  const auto save = [&](int64_t inline_bytes) {
    OnnxGraph graph("large");
    const std::string x = graph.input("x", DType::Float32, {std::string("N"), int64_t{300}});
    const std::string product = graph.node("MatMul", {x, graph.constant(weight)});
    const std::string y = graph.node("Add", {product, graph.constant(bias)});
    graph.output(graph.node("Reshape", {y, graph.constant(std::vector<int64_t>{-1, 7})}), "y",
                 {std::string("N"), int64_t{7}});
    graph.save(path, inline_bytes);
  };
  save(300 * 7 * 4 + 7 * 4 + 16);
  EXPECT_FALSE(std::filesystem::exists(path + ".data"));
  save(8000);
  const onnx::ModelProto model = model_at(path);
  const std::string data = read_file(path + ".data");
  int moved = 0;
  for (const onnx::TensorProto& constant : model.graph().initializer()) {
    if (constant.data_location() != onnx::TensorProto::EXTERNAL) continue;
    std::map<std::string, std::string> entries;
    for (const auto& entry : constant.external_data()) entries[entry.key()] = entry.value();
    EXPECT_EQ(entries.at("location"), "large.onnx.data");
    const std::string bytes = data.substr(std::stoul(entries.at("offset")), std::stoul(entries.at("length")));
    ASSERT_EQ(bytes.size(), weight.nbytes());
    EXPECT_EQ(std::memcmp(bytes.data(), weight.const_raw_data(), bytes.size()), 0);
    ++moved;
  }
  EXPECT_EQ(moved, 1);
  if (onnx_python().empty()) GTEST_SKIP() << kNoPython;
  const double expected = ops::sum(weight, {0}).to_vector()[3] + bias.to_vector()[3];
  const std::string check = fmt::format(
      "import numpy, onnx, onnxruntime; onnx.checker.check_model('{0}'); "
      "y = onnxruntime.InferenceSession('{0}', providers=['CPUExecutionProvider'])"
      ".run(None, {{'x': numpy.ones((2, 300), numpy.float32)}})[0]; assert abs(y[1, 3] - {1}) < 1e-3, y",
      path, expected);
  EXPECT_EQ(std::system(fmt::format("{} -c \"{}\"", onnx_python(), check).c_str()), 0);
}

TEST(OnnxExport, TheReferenceEvaluatorGivesWhatPredictGives) {
  if (onnx_python().empty()) GTEST_SKIP() << kNoPython;
  const configs::Document document = TinyData::get().document("mini_step2_static", {});
  EXPECT_EQ(check_onnx(document, "mini_step2_static", random_checkpoint(document, "reference.h5"), "--reference"), "");
}

TEST(OnnxExport, OnnxRuntimeGivesWhatPredictGivesWithEveryBackbone) {
  if (onnx_python().empty()) GTEST_SKIP() << kNoPython;
  for (const char* name : {"RegNet", "EfficientNetLite", "ConvNeXt"}) {
    const std::vector<std::string> sets = small_backbone(name);
    const configs::Document document = TinyData::get().document("mini_step1", sets);
    const std::string ckpt = random_checkpoint(document, "backbone.h5");
    for (const char* precision : {"float32", "float16", "int8"}) {
      std::string flags = fmt::format("--precision {}", precision);
      for (const std::string& set : sets) flags += " --set '" + set + "'";
      EXPECT_EQ(check_onnx(document, "mini_step1", ckpt, flags), "") << name << " " << precision;
    }
  }
}

TEST(OnnxExport, CandidatesAreWhatPredictDecodesBeforeItsSuppression) {
  if (onnx_python().empty()) GTEST_SKIP() << kNoPython;
  const std::vector<std::string> sets = {
      "network.static_head.nms_iou=1",        "network.static_head.score_threshold=0.05",
      "network.dynamic_head.nms_iou=1",       "network.dynamic_head.score_threshold=0.05",
      "network.dynamic_head.max_boxes=500",   kSmallVectors,
      "tasks.vector_map.score_threshold=0.01"};
  const configs::Document document = TinyData::get().document("mini_step1", sets);
  // Initial weights: with random ones scores are so near 1 that their order hangs on the last bit.
  Generator generator(5);
  const Network network(configs::network_options(document), generator, network_parts(document, standard_parts()));
  const std::string ckpt = TinyData::get().path("initial.h5");
  Hdf5Writer writer(ckpt);
  for (const auto& [name, value] : network.state_dict()) writer.write("state_dict/" + name, value);
  writer.commit();
  std::string flags = "--candidates";
  for (const std::string& set : sets) flags += fmt::format(" --set '{}'", set);
  EXPECT_EQ(check_onnx(document, "mini_step1", ckpt, flags), "");
}

}  // namespace
}  // namespace bevgrad
