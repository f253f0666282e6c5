// Exported models of 16 and 8 bits: ranges, constants, and how far their maps are from float32's in ONNX Runtime.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#define ONNX_NAMESPACE onnx
#define ONNX_ML 1
#include <onnx/onnx_pb.h>

#include <cmath>
#include <fstream>
#include <functional>

#include "autograd/autograd.h"
#include "deploy/calibration.h"
#include "deploy/onnx_export.h"
#include "deploy/random_checkpoint.h"
#include "export/layers.h"
#include "nn/conv_observer.h"
#include "nn/magnitudes.h"
#include "support/error_of.h"
#include "train/predict_file.h"
#include "train/predict_inputs.h"

namespace bevgrad {
namespace {

using ::testing::HasSubstr;

TEST(Magnitudes, TheRangeOfEvenValuesIsTheirs) {
  Generator generator(1);
  Magnitudes positive, both;
  positive.add(generator.uniform({100000}, 0, 3));
  both.add(generator.uniform({100000}, -3, 3));
  EXPECT_NEAR(positive.best_range().limit, 3, 0.02);
  EXPECT_FALSE(positive.best_range().is_signed);
  EXPECT_NEAR(both.best_range().limit, 3, 0.02);
  EXPECT_TRUE(both.best_range().is_signed);
  EXPECT_TRUE(positive.best_range(true).is_signed);
}

TEST(Magnitudes, RareLargeValuesAreClippedWhereThatIsBetter) {
  Generator generator(2);
  Magnitudes seen;
  const Tensor values = generator.normal({1000000});
  values.data<float>()[7] = 40;
  seen.add(values);
  const double limit = seen.best_range().limit;
  // Brute force over the values themselves.
  const auto error = [&](double at) {
    double sum = 0;
    for (const double value : values.to_vector()) {
      const double step = at / 127, rounded = std::clamp(std::round(value / step), -127.0, 127.0) * step;
      sum += (value - rounded) * (value - rounded);
    }
    return sum;
  };
  EXPECT_LT(limit, 20);
  EXPECT_LT(error(limit), error(40));
  EXPECT_LT(error(limit), 1.05 * error(limit * 0.8));
  EXPECT_LT(error(limit), 1.05 * error(limit * 1.25));
}

TEST(Magnitudes, TheHistogramWidensAndKeepsItsCounts) {
  Magnitudes grown, whole;
  Generator generator(3);
  const Tensor small = generator.uniform({5000}, 0, 1), large = generator.uniform({5000}, 0, 100);
  grown.add(small), grown.add(large);
  whole.add(large), whole.add(small);
  EXPECT_NEAR(grown.best_range().limit, whole.best_range().limit, 2);
  Magnitudes nothing;
  nothing.add(zeros({4}));
  EXPECT_GT(nothing.best_range().limit, 0);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(testing::error_of([&] { nothing.add(full({3}, nan)); }), HasSubstr("not finite"));
}

TEST(ConvObserver, SeesEveryConvolutionAndChangesNothing) {
  const configs::Document document = TinyData::get().document("mini_step2_static");
  RunLog log("", true);
  TrainedNetwork trained(document, {.ckpt = random_checkpoint(document, "observed.h5")}, log, standard_parts());
  const PredictInputs inputs(write_inputs(document, "observed_in.h5"), document.proto);
  const auto lanes = [&] {
    FrameStream stream(trained);
    return ops::contiguous(inputs.play(0, stream).maps.at("lane_logits"), MemoryFormat::Contiguous).to_vector();
  };
  const std::vector<double> expected = lanes();
  std::map<std::string, std::array<int, 3>> seen;
  {
    const ConvObserver observer(trained.network(), [&](const std::string& conv, ConvObserver::Place place,
                                                       const Tensor&) { ++seen[conv][static_cast<size_t>(place)]; });
    const std::vector<double> observed = lanes();
    for (size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(observed[i], expected[i], 1e-4);
  }
  for (const auto& [name, tensor] : trained.network().state_dict()) {
    if (!name.ends_with(".weight") || tensor.dim() != 4 || name.ends_with("score.weight")) continue;
    const std::string conv = name.substr(0, name.size() - 7);
    ASSERT_TRUE(seen.contains(conv)) << conv;
    EXPECT_EQ(seen[conv][0], seen[conv][2]);
    EXPECT_EQ(seen[conv][1] > 0, conv.ends_with(".conv2")) << conv;
  }
}

onnx::ModelProto exported(OnnxPrecision precision) {
  const configs::Document document = TinyData::get().document("mini_step2_static");
  const std::string out = TinyData::get().path("precision.onnx");
  RunLog log("", true);
  export_onnx(document,
              {.ckpt = random_checkpoint(document, "precision.h5"),
               .out = out,
               .precision = precision,
               .calibration_frames = 4},
              log, standard_parts());
  onnx::ModelProto model;
  std::ifstream stream(out, std::ios::binary);
  EXPECT_TRUE(model.ParseFromIstream(&stream));
  return model;
}

std::map<int, int64_t> values_by_type(const onnx::ModelProto& model) {
  std::map<int, int64_t> counts;
  for (const auto& tensor : model.graph().initializer()) {
    int64_t count = 1;
    for (const int64_t size : tensor.dims()) count *= size;
    counts[tensor.data_type()] += count;
  }
  return counts;
}

TEST(Precision, InputsAndOutputsAreTheSameWhateverIsInside) {
  const onnx::ModelProto model = exported(OnnxPrecision::Float32);
  for (const OnnxPrecision precision :
       {OnnxPrecision::Float16, OnnxPrecision::BFloat16, OnnxPrecision::Int8, OnnxPrecision::Int8Signed}) {
    const onnx::ModelProto other = exported(precision);
    ASSERT_EQ(other.graph().input_size(), model.graph().input_size());
    for (int i = 0; i < model.graph().input_size(); ++i)
      EXPECT_EQ(other.graph().input(i).SerializeAsString(), model.graph().input(i).SerializeAsString());
    for (int i = 0; i < model.graph().output_size(); ++i)
      EXPECT_EQ(other.graph().output(i).SerializeAsString(), model.graph().output(i).SerializeAsString());
  }
}

TEST(Precision, WeightsAreOfTheTypeThatWasAsked) {
  const int64_t weights = values_by_type(exported(OnnxPrecision::Float32))[onnx::TensorProto::FLOAT];
  for (const auto& [precision, type] : {std::pair{OnnxPrecision::Float16, onnx::TensorProto::FLOAT16},
                                        {OnnxPrecision::BFloat16, onnx::TensorProto::BFLOAT16},
                                        {OnnxPrecision::Int8, onnx::TensorProto::INT8}}) {
    const std::map<int, int64_t> counts = values_by_type(exported(precision));
    EXPECT_GT(counts.at(type), weights * 9 / 10) << type;
    EXPECT_LT(counts.at(onnx::TensorProto::FLOAT), weights / 5) << type;
  }
}

TEST(Precision, EveryConvolutionOfAnIntegerModelReadsIntegers) {
  const onnx::ModelProto model = exported(OnnxPrecision::Int8);
  std::map<std::string, const onnx::NodeProto*> maker;
  std::map<std::string, const onnx::TensorProto*> constants;
  for (const auto& node : model.graph().node()) maker[node.output(0)] = &node;
  for (const auto& tensor : model.graph().initializer()) constants[tensor.name()] = &tensor;
  int64_t integers = 0, others = 0;
  for (const auto& node : model.graph().node()) {
    if (node.op_type() != "Conv") continue;
    const auto weight = maker.find(node.input(1));
    if (weight == maker.end() || weight->second->op_type() != "DequantizeLinear") {
      ++others;
      continue;
    }
    ++integers;
    EXPECT_EQ(maker.at(node.input(0))->op_type(), "DequantizeLinear");
    const auto* values = constants.at(weight->second->input(0));
    EXPECT_EQ(values->data_type(), onnx::TensorProto::INT8);
    EXPECT_EQ(constants.at(weight->second->input(1))->dims(0), values->dims(0)) << "a step for each output channel";
  }
  EXPECT_GT(integers, 40);
  EXPECT_EQ(others, 3) << "the scores of temporal fusion";
}

/// A model of one convolution with its norm, of the fuser, of which `spoil` sees every tensor before.
onnx::ModelProto fuser_of(OnnxPrecision precision, const std::function<void(const std::string&, float*)>& spoil) {
  const NoGradGuard no_grad;
  const configs::Document document = TinyData::get().document("mini_step1");
  Generator generator(3);
  const Network network(configs::network_options(document), generator, network_parts(document, standard_parts()));
  int64_t channels = 0;
  for (const auto& [name, value] : network.state_dict()) {
    if (is_floating_point(value.dtype())) spoil(name, value.data<float>());
    if (name == "fuser.0.weight") channels = value.size(1);
  }
  OnnxGraph graph("fuser");
  OnnxLayers layers(
      graph, network,
      {.precision = precision, .ranges = {{"fuser.0", {.input = {2, true}, .before_sum = {}, .output = {3, false}}}}});
  const OnnxMap x{graph.input("x", DType::Float32, {int64_t{1}, channels, int64_t{4}, int64_t{4}}), channels, 4, 4};
  const OnnxMap y = layers.conv(x, "fuser.0", {.padding = 1, .norm = "fuser.1"});
  graph.output(y.value, "y", {int64_t{1}, y.channels, y.height, y.width});
  const std::string path = TinyData::get().path("fuser.onnx");
  graph.save(path);
  onnx::ModelProto model;
  std::ifstream stream(path, std::ios::binary);
  EXPECT_TRUE(model.ParseFromIstream(&stream));
  return model;
}

TEST(Precision, SignedModelsHaveNoZeroPoints) {
  const onnx::ModelProto model = exported(OnnxPrecision::Int8Signed);
  std::map<std::string, const onnx::TensorProto*> constants;
  for (const auto& tensor : model.graph().initializer()) constants[tensor.name()] = &tensor;
  int quantised = 0;
  for (const auto& node : model.graph().node()) {
    if (node.op_type() != "QuantizeLinear") continue;
    const onnx::TensorProto& zero_point = *constants.at(node.input(2));
    EXPECT_EQ(zero_point.data_type(), onnx::TensorProto::INT8);
    EXPECT_EQ(zero_point.raw_data(), std::string(1, '\0'));
    ++quantised;
  }
  EXPECT_GT(quantised, 40);
}

TEST(Precision, AChannelWhoseWeightsAreNextToNothingKeepsItsBias) {
  for (const float scale : {0.0f, 1e-12f}) {
    const onnx::ModelProto model = fuser_of(OnnxPrecision::Int8, [scale](const std::string& name, float* values) {
      if (name == "fuser.1.weight") values[0] = scale;
      if (name == "fuser.1.bias") values[0] = 0.3f;
    });
    std::map<std::string, const onnx::TensorProto*> constants;
    for (const auto& tensor : model.graph().initializer()) constants[tensor.name()] = &tensor;
    int biases = 0;
    for (const auto& node : model.graph().node()) {
      if (node.op_type() != "DequantizeLinear" || !constants.contains(node.input(0))) continue;
      const onnx::TensorProto& values = *constants.at(node.input(0));
      if (values.data_type() != onnx::TensorProto::INT32) continue;
      const auto* sums = reinterpret_cast<const int32_t*>(values.raw_data().data());
      const auto* steps = reinterpret_cast<const float*>(constants.at(node.input(1))->raw_data().data());
      EXPECT_NEAR(static_cast<double>(sums[0]) * static_cast<double>(steps[0]), 0.3, 1e-6);
      ++biases;
    }
    EXPECT_EQ(biases, 1);
  }
}

TEST(Precision, WeightsThatDoNotFit16BitsAreNamed) {
  const auto large = [](const std::string& name, float* values) {
    if (name == "fuser.1.weight") values[0] = 1e9f;
  };
  EXPECT_THAT(testing::error_of([&] { fuser_of(OnnxPrecision::Float16, large); }),
              HasSubstr("fuser.0: its weights do not fit float16"));
  fuser_of(OnnxPrecision::BFloat16, large);
}

TEST(Precision, CalibrationMeasuresFramesThatHaveAHistory) {
  const auto fusion_range = [](const std::string& set) {
    const configs::Document document = TinyData::get().document("mini_step2_static", {set});
    RunLog log("", true);
    TrainedNetwork trained(document, {.ckpt = random_checkpoint(document, "history.h5")}, log, standard_parts());
    return calibrate(document, trained, 2, false).at("bev_static_temporal_fusion.fusion_conv.0").input.limit;
  };
  EXPECT_NE(fusion_range("temporal.match_tol=0.06"), fusion_range("temporal.match_tol=0"));
}

TEST(Precision, CalibrationNeedsFrames) {
  const configs::Document document =
      TinyData::get().document("mini_step2_static", {"data.train[0]={ name: \"none\" lists: \"nowhere.txt\" }"});
  RunLog log("", true);
  EXPECT_THAT(testing::error_of([&] {
                export_onnx(document,
                            {.ckpt = random_checkpoint(document, "uncalibrated.h5"),
                             .out = TinyData::get().path("never.onnx"),
                             .precision = OnnxPrecision::Int8},
                            log, standard_parts());
              }),
              HasSubstr("nowhere.txt"));
}

}  // namespace
}  // namespace bevgrad
