// The exported model: its parts and sizes, what is refused; and its maps in ONNX Runtime where that is installed.
#include "export/export.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#define ONNX_NAMESPACE onnx
#define ONNX_ML 1
#include <onnx/onnx_pb.h>

#include <fstream>

#include "formats/hdf5/tensor_file.h"
#include "models/network.h"
#include "support/error_of.h"
#include "support/paths.h"
#include "train/predict_file.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A checkpoint in which every parameter and statistic counts.
std::string checkpoint(const configs::Document& document, const std::string& name,
                       const Parts& parts = standard_parts()) {
  Generator generator(5);
  const Network network(configs::network_options(document), generator, network_parts(document, parts));
  const std::string path = TinyData::get().path(name);
  Hdf5Writer writer(path);
  for (const auto& [key, value] : network.state_dict()) {
    const bool is_scale = key.ends_with("running_var") || key.find("norm") != std::string::npos;
    writer.write("state_dict/" + key,
                 is_floating_point(value.dtype())
                     ? generator.uniform(value.sizes(), is_scale ? 0.5 : -0.3, is_scale ? 1.5 : 0.3)
                     : value);
  }
  writer.commit();
  return path;
}

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

void run(const configs::Document& document, const ExportOptions& options) {
  RunLog log;
  export_onnx(document, options, log, standard_parts());
}

TEST(Export, NamesInputsAndOutputsAsPredictDoes) {
  const configs::Document document = TinyData::get().document("mini_step2_static");
  const std::string out = TinyData::get().path("map.onnx");
  run(document, {.ckpt = checkpoint(document, "two.h5"), .out = out});
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

TEST(Export, TheHalvesMeetAtTheFusedFeature) {
  const configs::Document document = TinyData::get().document("mini_step2_static");
  run(document, {.ckpt = checkpoint(document, "halves.h5"), .out = TinyData::get().path("half.onnx"), .split = true});
  const onnx::ModelProto encoder = model_at(TinyData::get().path("half.encoder.onnx"));
  const onnx::ModelProto decoder = model_at(TinyData::get().path("half.decoder.onnx"));
  EXPECT_THAT(names(encoder.graph().output()), ElementsAre("bev_camera", "bev_lidar", "bev_fused"));
  EXPECT_THAT(names(decoder.graph().input()),
              ElementsAre("bev_fused", "history_features", "feature_warp_matrix", "history_valid"));
  EXPECT_FALSE(std::filesystem::exists(TinyData::get().path("half.onnx")));
}

TEST(Export, AnotherConfigsCheckpointIsRefusedAndNothingIsWritten) {
  const configs::Document one = TinyData::get().document("mini_step1");
  const configs::Document wider = TinyData::get().document("mini_step1", {"network.bev_channels=16"});
  const std::string ckpt = checkpoint(one, "one.h5"), out = TinyData::get().path("never.onnx");
  EXPECT_THAT(testing::error_of([&] { run(wider, {.ckpt = ckpt, .out = out}); }), HasSubstr("one.h5"));
  EXPECT_FALSE(std::filesystem::exists(out));
}

TEST(Export, AHeadOfAnotherProgramIsNamed) {
  configs::Document document = TinyData::get().document("mini_step1");
  Parts parts = standard_parts();
  for (TaskKind& kind : parts.tasks)
    if (kind.module == "bev_static_head") kind.module = "my_head";
  RunLog log;
  const std::string text = testing::error_of([&] {
    export_onnx(document, {.ckpt = checkpoint(document, "head.h5", parts), .out = TinyData::get().path("never.onnx")},
                log, parts);
  });
  EXPECT_THAT(text, AllOf(HasSubstr("my_head"), HasSubstr("no form in ONNX")));
}

TEST(Export, NormalisedFramesAreNotFedToAModelOfBytes) {
  const configs::Document document = TinyData::get().document("mini_step1");
  const std::string frames = write_inputs(document, "floats_for_export.h5", false);
  const ExportOptions options{.ckpt = checkpoint(document, "feeds.h5"),
                              .out = TinyData::get().path("bytes.onnx"),
                              .frames = frames,
                              .feeds = TinyData::get().path("feeds_out.h5")};
  EXPECT_THAT(testing::error_of([&] { run(document, options); }),
              AllOf(HasSubstr("floats_for_export.h5"), HasSubstr("--normalised-images")));
  EXPECT_FALSE(std::filesystem::exists(options.feeds));
}

TEST(Export, OnnxRuntimeGivesWhatPredictGives) {
  const char* python = std::getenv("BEVGRAD_ONNX_PYTHON");
  const std::string program = python == nullptr ? "python3" : python;
  if (std::system((program + " -c 'import h5py, numpy, onnx, onnxruntime' 2>/dev/null").c_str()) != 0)
    GTEST_SKIP() << "SKIPPED: " << program
                 << " has no onnxruntime, onnx, h5py and numpy (scripts/check_onnx.sh installs them)";
  Tensor bytes = zeros({4, 4, 3, 32, 48}, {.dtype = DType::UInt8});
  for (int64_t i = 0; i < bytes.numel(); ++i) bytes.data<uint8_t>()[i] = static_cast<uint8_t>(i * 2654435761u >> 13);
  for (const auto& [config, warp] :
       {std::pair{"mini_step1", "nearest"}, {"mini_step2_static", "nearest"}, {"mini_step2_static", "bilinear"}}) {
    const std::vector<std::string> sets = {std::string("temporal.warp=") + warp};
    const configs::Document document = TinyData::get().document(config, sets);
    const std::string work = TinyData::get().path("onnx");
    std::filesystem::create_directories(work);
    std::string command =
        fmt::format("{} {}/tests/golden/models/check_onnx.py --bevgrad {} --config {} --ckpt {} --inputs {} --work {}",
                    program, testing::source_dir(), testing::bevgrad_binary(), config,
                    checkpoint(document, "parity.h5"), write_inputs(document, "parity_in.h5", true, bytes), work);
    for (const std::string& set : tiny_settings()) command += " --set '" + set + "'";
    for (const std::string& set : sets) command += " --set '" + set + "'";
    EXPECT_EQ(std::system((command + " > " + work + "/log.txt 2>&1").c_str()), 0)
        << config << " " << warp << ": " << std::ifstream(work + "/log.txt").rdbuf();
  }
}

}  // namespace
}  // namespace bevgrad
