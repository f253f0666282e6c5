// A network in 8 bits: from its calibration to predictions, exported models and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "base/files.h"
#include "configs/load.h"
#include "deploy/calibration.h"
#include "deploy/onnx_export.h"
#include "deploy/random_checkpoint.h"
#include "nn/conv.h"
#include "support/error_of.h"
#include "train/eight_bits.h"
#include "train/predict_file.h"
#include "train/predict_inputs.h"
#include "train/predictor.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::string& weights() {
  static const std::string path = random_checkpoint(TinyData::get().document("mini_step2_static"), "int8_weights.h5");
  return path;
}

RunLog& quiet() {
  static RunLog log("", true);
  return log;
}

/// What `bevgrad calibrate` writes for these settings, read back.
configs::Document calibrated(const std::vector<std::string>& sets = {}) {
  const std::string out = TinyData::get().path("int8.prototxt");
  write_int8_config(TinyData::get().document("mini_step2_static", sets), {.ckpt = weights(), .frames = 6, .out = out},
                    quiet(), standard_parts());
  return configs::load({.config = out});
}

std::vector<std::map<std::string, Tensor>> maps_of(const configs::Document& document) {
  TrainedNetwork trained(document, {.ckpt = weights()}, quiet(), standard_parts());
  const PredictInputs inputs(write_inputs(document, "int8_in.h5"), document.proto);
  FrameStream stream(trained);
  std::vector<std::map<std::string, Tensor>> frames;
  for (int64_t i = 0; i < inputs.size(); ++i) {
    std::map<std::string, Tensor>& maps = frames.emplace_back();
    for (const NetworkMap& entry : inputs.play(i, stream).maps) maps[entry.name] = ops::to(entry.map, DType::Float32);
  }
  return frames;
}

TEST(Int8, TheMapsAreNearThoseOfFloat32) {
  const configs::Document int8 = calibrated();
  EXPECT_TRUE(int8.proto.int8().on());
  EXPECT_GT(int8.proto.int8().convs_size(), 40);
  const auto plain = maps_of(in_floating_point(int8)), eight = maps_of(int8), again = maps_of(int8);
  int changed = 0;
  for (size_t frame = 0; frame < plain.size(); ++frame) {
    for (const auto& [name, map] : plain[frame]) {
      const std::vector<double> a = map.to_vector(), b = eight[frame].at(name).to_vector();
      EXPECT_EQ(b, again[frame].at(name).to_vector()) << name;
      double squares = 0, off = 0;
      for (size_t i = 0; i < a.size(); ++i) squares += a[i] * a[i], off += (a[i] - b[i]) * (a[i] - b[i]);
      EXPECT_LE(std::sqrt(off / std::max(squares, 1e-12)), 0.15) << name;
      changed += off > 0;
    }
  }
  EXPECT_GT(changed, 10);
}

TEST(Int8, TapsAreFloatingPoint) {
  const configs::Document int8 = calibrated();
  const std::string inputs = write_inputs(int8, "int8_tap_in.h5"), out = TinyData::get().path("int8_tap.h5");
  const auto tapped = [&](const configs::Document& document) {
    predict(document,
            {.ckpt = weights(), .inputs = inputs, .outputs = out, .taps = {"stage1_backbone0.layer1.0", "fuser"}},
            quiet(), standard_parts());
    return Hdf5Reader(out).read("tap/stage1_backbone0.layer1.0").to_vector();
  };
  const std::vector<double> eight = tapped(int8), plain = tapped(in_floating_point(int8));
  double off = 0, squares = 0;
  for (size_t i = 0; i < plain.size(); ++i)
    off += (eight[i] - plain[i]) * (eight[i] - plain[i]), squares += plain[i] * plain[i];
  EXPECT_LT(std::sqrt(off / squares), 0.1);
}

TEST(Int8, ExportTakesTheConfigsRanges) {
  const auto model = [](const configs::Document& document) {
    const std::string out = TinyData::get().path("int8.onnx");
    export_onnx(document, {.ckpt = weights(), .out = out, .precision = OnnxPrecision::Int8, .calibration_frames = 6},
                quiet(), standard_parts());
    return read_file(out);
  };
  const configs::Document plain = TinyData::get().document("mini_step2_static");
  configs::Document int8 = calibrated();
  EXPECT_TRUE(model(int8) == model(plain));
  for (config::ConvRange& conv : *int8.proto.mutable_int8()->mutable_convs())
    if (conv.name() == "stage1_backbone0.conv1") conv.set_input(77);
  EXPECT_TRUE(model(int8) != model(plain));
}

TEST(Int8, RangesOfAnotherNetworkAreRefused) {
  configs::Document int8 = calibrated();
  int8.proto.mutable_int8()->mutable_convs(2)->set_name("stage1_backbone0.layer9.0.conv1");
  EXPECT_THAT(testing::error_of([&] { maps_of(int8); }), AllOf(HasSubstr("int8.prototxt"), HasSubstr("\"int8.convs\""),
                                                               HasSubstr("layer9"), HasSubstr("another config")));
  EXPECT_THAT(testing::error_of([&] { maps_of(TinyData::get().document("mini_step2_static", {"int8.on=true"})); }),
              AllOf(HasSubstr("\"int8.on\""), HasSubstr("bevgrad calibrate")));
  for (const auto& [set, problem] : {std::pair{"int8.convs[0]={ name: \"a\" input: 0 output: 1 }", "input"},
                                     {"int8.convs[0]={ input: 1 output: 1 }", "no name"},
                                     {"int8.convs[0]={ name: \"a\" input: 1 output: nan }", "output"}})
    EXPECT_THAT(testing::error_of([&, text = set] { TinyData::get().document("mini_step2_static", {text}); }),
                AllOf(HasSubstr("int8.convs[0]"), HasSubstr(problem)));
}

TEST(Int8, ImagesThatAreNotFiniteAreRefused) {
  const configs::Document int8 = calibrated();
  TrainedNetwork trained(int8, {.ckpt = weights()}, quiet(), standard_parts());
  const PredictInputs inputs(write_inputs(int8, "int8_nan_in.h5"), int8.proto);
  FrameStream stream(trained);
  NetworkInput input = inputs.input(0);
  input.images[0] = ops::clone(ops::to(input.images[0], DType::Float32));
  input.images[0].data<float>()[17] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(testing::error_of([&] { stream.play(input, inputs.moment(0)); }), HasSubstr("is not finite"));
}

}  // namespace
}  // namespace bevgrad
