// The backbones against torchvision and timm (tests/golden/models/make_backbones.py), their names, and what every
// module should do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/camera/convnext.h"
#include "models/camera/efficientnet_lite.h"
#include "models/camera/regnet.h"
#include "models/camera/resnet.h"
#include "models/golden_part.h"
#include "nn/check_module.h"
#include "tensor/random.h"

namespace bevgrad::testing {
namespace {

using ::testing::ElementsAre;

const std::map<std::string, Tensor>& golden() {
  static const std::map<std::string, Tensor> file = load_golden("models/backbones.golden");
  return file;
}

const RegNetOptions kSmallRegNet{.depths = {2, 1, 2, 1}, .widths = {8, 16, 24, 32}, .group_width = 8};
const ConvNeXtOptions kSmallConvNeXt{.depths = {1, 2, 1, 1}, .widths = {4, 6, 8, 10}};

template <class Net, class Options>
void expect_small(const std::string& name, const Options& options, const Shape& images, bool training = true) {
  Generator generator(1);
  Net net(options, generator);
  net.set_training(training);
  expect_golden(golden(), name, net, {{"images", images}}, [&](const Tensors& x) { return net.forward(x[0]); });
}

TEST(BackbonesGolden, SmallRegNets) {
  RegNetOptions x = kSmallRegNet;
  x.se_ratio = 0;
  expect_small<RegNet>("regnet_y", kSmallRegNet, {2, 3, 32, 64});
  expect_small<RegNet>("regnet_x", x, {2, 3, 32, 64});
}

TEST(BackbonesGolden, SmallConvNeXt) {
  expect_small<ConvNeXt>("convnext", kSmallConvNeXt, {2, 3, 32, 64});
}

TEST(BackbonesGolden, EfficientNetLite0PadsOddSizesAsTensorFlow) {
  expect_small<EfficientNetLite>("lite_tf", EfficientNetLiteOptions{}, {2, 3, 43, 64}, false);
}

template <class Net, class Options>
void expect_published_size(const std::string& name, const Options& options) {
  SCOPED_TRACE(name);
  Generator generator(1);
  Net net(options, generator);
  golden_fill(net.state_dict(name));
  net.set_training(false);
  const NoGradGuard no_grad;
  const std::vector<Tensor> outputs = net.forward(golden_tensor(name + ".images", {1, 3, 32, 64}));
  ASSERT_EQ(outputs.size(), 3u);
  for (size_t i = 0; i < outputs.size(); ++i) {
    EXPECT_EQ(outputs[i].size(1), net.out_channels()[i]);
    EXPECT_LT(relative_error(outputs[i], golden().at(fmt::format("{}.y{}", name, i))), 1e-5) << "output " << i;
  }
}

TEST(BackbonesGolden, PublishedSizes) {
  expect_published_size<RegNet>("regnet_y_400mf", RegNetOptions{});
  expect_published_size<RegNet>(
      "regnet_x_400mf",
      RegNetOptions{.depths = {1, 2, 7, 12}, .widths = {32, 64, 160, 400}, .group_width = 16, .se_ratio = 0});
  expect_published_size<EfficientNetLite>("lite", EfficientNetLiteOptions{.tensorflow = false});
  expect_published_size<EfficientNetLite>("lite2_tf", EfficientNetLiteOptions{.width = 1.1, .depth = 1.2});
  expect_published_size<ConvNeXt>("convnext_t", ConvNeXtOptions{});
  expect_published_size<ResNet>("resnet18", ResNetOptions{.blocks = {2, 2, 2, 2}});
}

// torchvision's resnet18, resnet34, resnet50 and resnet101 have 11,689,512, 21,797,672, 25,557,032 and 44,549,160
// parameters, of which `fc` has 513,000 and 2,049,000; regnet_y_400mf and regnet_x_400mf 4,344,144 and 5,495,976, `fc`
// 441,000 and 401,000; convnext_tiny 28,589,128, `classifier` 770,536; timm's tf_efficientnet_lite0 4,652,008, what is
// behind the blocks 320 * 1280 + 2 * 1280 + 1,281,000.
TEST(Backbones, HaveThePublishedParameters) {
  Generator generator(1);
  EXPECT_EQ(ResNet({.blocks = {2, 2, 2, 2}}, generator).parameter_count(), 11689512 - 513000);
  EXPECT_EQ(ResNet({}, generator).parameter_count(), 21797672 - 513000);
  const ResNet resnet50({.bottleneck = true}, generator);
  EXPECT_EQ(resnet50.parameter_count(), 25557032 - 2049000);
  EXPECT_EQ(ResNet({.blocks = {3, 4, 23, 3}, .bottleneck = true}, generator).parameter_count(), 44549160 - 2049000);
  EXPECT_EQ(RegNet({}, generator).parameter_count(), 4344144 - 441000);
  EXPECT_EQ(RegNet({.depths = {1, 2, 7, 12}, .widths = {32, 64, 160, 400}, .group_width = 16, .se_ratio = 0}, generator)
                .parameter_count(),
            5495976 - 401000);
  EXPECT_EQ(ConvNeXt({}, generator).parameter_count(), 28589128 - 770536);
  const EfficientNetLite lite({.taps = {1, 2, 3, 4}}, generator);
  EXPECT_EQ(lite.parameter_count(), 4652008 - (320 * 1280 + 2 * 1280 + 1281000));
  EXPECT_THAT(lite.out_channels(), ElementsAre(24, 40, 112, 320));
  std::map<std::string, Shape> names;
  for (const auto& [name, tensor] : resnet50.state_dict()) names[name] = tensor.sizes();
  EXPECT_EQ(names.at("layer1.0.conv3.weight"), (Shape{256, 64, 1, 1}));
  EXPECT_EQ(names.at("layer1.0.downsample.0.weight"), (Shape{256, 64, 1, 1}));
  EXPECT_EQ(names.at("layer4.2.bn3.running_var"), (Shape{2048}));
  EXPECT_EQ(names.at("layer3.0.conv2.weight"), (Shape{256, 256, 3, 3}));
}

template <class Net, class Options>
void expect_taps(Options options) {
  Generator generator(1);
  const Tensor images = generator.normal({1, 3, 32, 64});
  options.taps = {1, 2, 3, 4};
  Net all(options, generator);
  options.taps = {2};
  Net one(options, generator);
  const std::vector<Tensor> expected = all.forward(images), outputs = one.forward(images);
  ASSERT_EQ(expected.size(), 4u);
  ASSERT_EQ(outputs.size(), 1u);
  for (size_t i = 0; i < 4; ++i)
    EXPECT_EQ(expected[i].sizes(), (Shape{1, all.out_channels()[i], 8 >> i, 16 >> i})) << "layer " << i + 1;
  EXPECT_EQ(outputs[0].sizes(), expected[1].sizes());
  EXPECT_THAT(one.out_channels(), ElementsAre(expected[1].size(1)));
  EXPECT_EQ(one.parameter_count(), all.parameter_count());
}

TEST(Backbones, TapsChooseWhatComesOut) {
  expect_taps<RegNet>(kSmallRegNet);
  expect_taps<ConvNeXt>(kSmallConvNeXt);
  expect_taps<EfficientNetLite>(EfficientNetLiteOptions{});
}

TEST(Backbones, BlocksDoWhatEveryModuleShould) {
  Generator generator(3);
  const auto check = [&](const std::string& name, auto& block, const Shape& sizes) {
    golden_fill(block.state_dict(name));
    EXPECT_EQ(
        check_module(name, block, [&](const Tensors& x) { return block.forward(x[0]); }, {generator.normal(sizes)}),
        "");
  };
  RegNetBlock strided(8, 16, 2, kSmallRegNet), same(16, 16, 1, kSmallRegNet);
  check("strided", strided, {2, 8, 5, 6});
  check("same", same, {2, 16, 3, 4});
  EfficientNetLiteBlock first({.in_channels = 4, .channels = 3}, true);
  EfficientNetLiteBlock shrinking({.in_channels = 3, .channels = 4, .expansion = 2, .kernel = 5, .stride = 2}, true);
  EfficientNetLiteBlock kept({.in_channels = 4, .channels = 4, .expansion = 2}, false);
  check("first", first, {2, 4, 3, 4});
  check("shrinking", shrinking, {2, 3, 5, 6});
  check("kept", kept, {2, 4, 3, 3});
  ConvNeXtBlock convnext(4);
  check("convnext", convnext, {2, 4, 3, 5});
}

}  // namespace
}  // namespace bevgrad::testing
