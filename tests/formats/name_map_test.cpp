#include "formats/convert/name_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "base/text.h"
#include "files.h"
#include "formats/convert/against.h"
#include "formats/convert/compare.h"
#include "formats/convert/convert.h"
#include "formats/convert/inspect.h"

namespace bevgrad {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(NameMap, TheFirstRuleThatMatchesCounts) {
  const NameMap map = NameMap::parse("# comment\n^fc\\. ->\n^(a|b)\\.(.*)$ -> x{0,1}.$2.$1\n^a -> never\n", "rules");
  EXPECT_THAT(map.apply("fc.weight"), ElementsAre());
  EXPECT_THAT(map.apply("a.w"), ElementsAre("x0.w.a", "x1.w.a"));
  EXPECT_THAT(map.apply("other"), ElementsAre("other"));
  EXPECT_THAT(message_of([] { NameMap::parse("ok -> x\n(oops -> y\n", "rules"); }), HasSubstr("rules: line 2"));
  EXPECT_THAT(message_of([] { NameMap::parse("no arrow\n", "rules"); }), HasSubstr("PATTERN -> REPLACEMENT"));
  EXPECT_THROW(NameMap::load("nonexistent"), UsageError);
}

std::vector<std::string> names_after(const char* map, const std::vector<std::string>& names) {
  const NameMap loaded = NameMap::load(map);
  std::vector<std::string> out;
  for (const std::string& name : names) {
    for (std::string& renamed : loaded.apply(name)) out.push_back(std::move(renamed));
  }
  return out;
}

TEST(NameMap, ReadyMadeMapsKnowBothSpellings) {
  EXPECT_THAT(names_after("timm-efficientnet-lite", {"conv_stem.weight", "bn2.weight", "blocks.1.0.bn3.bias"}),
              ElementsAre("stage1_backbone0.conv_stem.weight", "stage1_backbone1.conv_stem.weight",
                          "stage1_backbone2.conv_stem.weight", "stage1_backbone3.conv_stem.weight",
                          "stage1_backbone0.blocks.1.0.bn3.bias", "stage1_backbone1.blocks.1.0.bn3.bias",
                          "stage1_backbone2.blocks.1.0.bn3.bias", "stage1_backbone3.blocks.1.0.bn3.bias"));
  EXPECT_THAT(names_after("efficientnet-lite0", {"_bn1.weight", "_fc.bias"}), ElementsAre());
  const auto renamed = [](const char* name) { return names_after("efficientnet-lite0", {name}).at(0); };
  EXPECT_EQ(renamed("_bn0.weight"), "stage1_backbone0.bn1.weight");
  EXPECT_EQ(renamed("_blocks.0._bn2.weight"), "stage1_backbone0.blocks.0.0.bn2.weight");
  EXPECT_EQ(renamed("_blocks.0._project_conv.weight"), "stage1_backbone0.blocks.0.0.conv_pw.weight");
  EXPECT_EQ(renamed("_blocks.1._bn0.weight"), "stage1_backbone0.blocks.1.0.bn1.weight");
  EXPECT_EQ(renamed("_blocks.14._expand_conv.weight"), "stage1_backbone0.blocks.5.3.conv_pw.weight");
  EXPECT_EQ(renamed("_blocks.15._project_conv.weight"), "stage1_backbone0.blocks.6.0.conv_pwl.weight");
  EXPECT_THAT(names_after("torchvision-resnet34", {"fc.weight", "layer1.0.conv1.weight"}),
              ElementsAre("stage1_backbone0.layer1.0.conv1.weight", "stage1_backbone1.layer1.0.conv1.weight",
                          "stage1_backbone2.layer1.0.conv1.weight", "stage1_backbone3.layer1.0.conv1.weight"));
  EXPECT_THAT(names_after("mmdet-fpn", {"neck.lateral_convs.0.conv.bias"}).front(),
              "stage1_neck0.lateral_convs.0.conv.bias");
  const std::vector<std::string> ours{"lidar_vfe.pfn_layers.0.linear.weight", "lidar_bev_backbone.blocks.0.0.weight",
                                      "lidar_bev_backbone.deblocks.2.1.bias", "fuser.0.weight",
                                      "bev_dynamic_head.task_heads.0.reg.0.conv.weight"};
  EXPECT_EQ(names_after("mmdet3d", {"pts_voxel_encoder.pfn_layers.0.linear.weight", "pts_backbone.blocks.0.0.weight",
                                    "pts_neck.deblocks.2.1.bias", "fusion_layer.0.weight",
                                    "pts_bbox_head.task_heads.0.reg.0.conv.weight"}),
            ours);
  EXPECT_EQ(
      names_after("mmdet3d", {"voxel_encoder.pfn_layers.0.linear.weight", "backbone.blocks.0.0.weight",
                              "neck.deblocks.2.1.bias", "fuser.0.weight", "bbox_head.task_heads.0.reg.0.conv.weight"}),
      ours);
}

TEST(NameMap, Wildcards) {
  EXPECT_TRUE(matches_wildcard("stage1_backbone0.conv1", "stage1_*"));
  EXPECT_TRUE(matches_wildcard("abc", "a?c"));
  EXPECT_FALSE(matches_wildcard("abc", "a?"));
  EXPECT_TRUE(matches_wildcard("a.b.c", "*.c"));
  EXPECT_FALSE(matches_wildcard("a.b.c", "*.b"));
}

StateDict simple() {
  return {{"m.a", from_values({1, 2}, {2})}, {"m.b", from_values({3}, {1})}};
}

std::string saved(const std::string& name, const StateDict& tensors) {
  CheckpointFile file{.path = name, .format = FileFormat::TorchZip, .document = std::make_shared<Document>(name)};
  Document& document = *file.document;
  document.root = document.make_dict();
  for (const auto& [key, tensor] : tensors) document.insert(document.root, key, document.make_tensor(tensor));
  const std::string path = scratch(name);
  convert_checkpoint(file, path, {});
  return path;
}

TEST(Convert, RenamesSelectsAndConverts) {
  const std::string path = saved("in.pt", simple());
  ConvertOptions options;
  options.names.strip_prefixes = {"m."};
  options.names.map = NameMap::parse("^a$ -> first", "rules");
  options.names.select = {"first"};
  options.dtype = StoredDType::BFloat16;
  const std::string out = scratch("out.h5");
  convert_checkpoint(open_checkpoint(path), out, options);
  const LoadedStateDict loaded = load_state_dict(out);
  ASSERT_EQ(loaded.tensors.size(), 1u);
  EXPECT_EQ(loaded.tensors[0].first, "first");
  EXPECT_EQ(loaded.tensors[0].second.dtype(), DType::BFloat16);
  EXPECT_EQ(loaded.tensors[0].second.to_vector(), (std::vector<double>{1, 2}));

  options.names.map = NameMap::parse("^. -> same", "rules");
  options.names.select = {};
  const std::string collided = scratch("collided.h5");
  EXPECT_THAT(message_of([&] { convert_checkpoint(open_checkpoint(path), collided, options); }),
              HasSubstr("'m.a' and 'm.b' would both be called 'same'"));
  EXPECT_FALSE(std::filesystem::exists(collided));
  EXPECT_THROW(output_format("x.xyz"), UsageError);
}

TEST(Compare, SaysWhereTwoFilesDiffer) {
  StateDict other = simple();
  other[0].second = from_values({1, 2.5}, {2});
  other.emplace_back("m.c", from_values({1}, {1}));
  const CheckpointFile a = open_checkpoint(saved("a.pt", simple()));
  const CheckpointFile b = open_checkpoint(saved("b.h5", other));
  const CompareReport report = compare_checkpoints(a, b, {});
  EXPECT_FALSE(report.same());
  ASSERT_EQ(report.different.size(), 1u);
  EXPECT_EQ(report.different[0].name, "m.a");
  EXPECT_EQ(report.different[0].largest, 0.5);
  EXPECT_EQ(report.only_b, std::vector<std::string>{"m.c"});
  EXPECT_TRUE(compare_checkpoints(a, a, {}).same());
  EXPECT_TRUE(compare_checkpoints(a, b, {.rtol = 0, .atol = 0.5}).different.empty());
}

/// A training checkpoint of one parameter, with everything else that such files have.
CheckpointFile training(double parameter, double ema, double moment, int64_t epoch, const std::string& name) {
  CheckpointFile file{.path = name, .format = FileFormat::TorchZip, .document = std::make_shared<Document>(name)};
  Document& d = *file.document;
  const auto dict = [&](const char* key, NodeId value) {
    const NodeId out = d.make_dict();
    d.insert(out, key, value);
    return out;
  };
  d.root = dict("state_dict", dict("w", d.make_tensor(from_values({parameter, 2}, {2}))));
  d.insert(d.root, "ema", dict("w", d.make_tensor(from_values({ema, 0}, {2}))));
  const NodeId state = d.make_dict();
  d.insert(state, d.make_int(0), dict("exp_avg", d.make_tensor(from_values({moment}, {1}))));
  d.insert(d.root, "optimizer", dict("state", state));
  d.insert(d.root, "epoch", d.make_int(epoch));
  return file;
}

TEST(Compare, LooksAtEverythingInTheFiles) {
  const CheckpointFile a = training(1, 0, 0, 1, "a");
  EXPECT_TRUE(compare_checkpoints(a, training(1, 0, 0, 1, "b"), {}).same());
  const CheckpointFile b = training(1, 3, 4, 2, "b");
  const CompareReport report = compare_checkpoints(a, b, {});
  EXPECT_EQ(report.equal, 1u);
  ASSERT_EQ(report.different.size(), 2u);
  EXPECT_EQ(report.different[0].name, "optimizer.state.0.exp_avg");
  EXPECT_EQ(report.different[0].largest, 4);
  EXPECT_EQ(report.different[1].name, "ema.w");
  ASSERT_EQ(report.values.size(), 1u);
  EXPECT_EQ(report.values[0].name, "epoch");
  EXPECT_EQ(report.values[0].b, "2");
  EXPECT_TRUE(compare_checkpoints(a, b, {.only_tensors = true}).values.empty());
  EXPECT_TRUE(compare_checkpoints(a, b, {.select = {"w"}}).same());
  EXPECT_EQ(compare_checkpoints(a, b, {.select = {"ema*"}}).different.size(), 1u);
  EXPECT_EQ(compare_checkpoints(a, b, {.order = CompareOrder::Name}).different[0].name, "ema.w");
  EXPECT_THROW(compare_checkpoints(a, b, {.select = {"nothing"}}), UsageError);
  EXPECT_THAT(report.json("a", "b"), HasSubstr("\"same\":false"));
}

TEST(Compare, MeasuresChanges) {
  const CheckpointFile a = training(3, 0, 0, 1, "a");
  const CheckpointFile b = training(0, 0, 0, 1, "b");
  const CompareReport report = compare_checkpoints(a, b, {});
  ASSERT_EQ(report.different.size(), 1u);
  const TensorDifference& difference = report.different[0];  // [3, 2] and [0, 2]
  EXPECT_EQ(difference.l2, 3);
  EXPECT_EQ(difference.relative_l2, 1.5);
  EXPECT_NEAR(difference.cosine, 4 / (std::sqrt(13.0) * 2), 1e-12);
  EXPECT_EQ(difference.differing, 1);
}

TEST(Convert, SaysWhatMatchedNothingAndWhatOverflowed) {
  const std::string path = saved("large.pt", {{"m.a", from_values({1e6, 2}, {2})}, {"m.b", from_values({3}, {1})}});
  ConvertOptions options;
  options.names.strip_prefixes = {"module."};
  options.names.select = {"m.*", "other*"};
  options.names.map = NameMap::parse("^x -> y", "rules");
  options.dtype = StoredDType::Float16;
  options.casts = {{"*.b", StoredDType::Float64}, {"z", StoredDType::Float32}};
  const std::string out = scratch("small.pt");
  const ConvertReport report = convert_checkpoint(open_checkpoint(path), out, options);
  EXPECT_THAT(report.notes,
              ElementsAre(HasSubstr("--strip-prefix module."), HasSubstr("rules: line 1: '^x'"),
                          HasSubstr("--select other*"), HasSubstr("--cast z"), HasSubstr("became infinite: m.a (1)")));
  const LoadedStateDict loaded = load_state_dict(out);
  EXPECT_EQ(loaded.tensors[0].second.dtype(), DType::Float16);
  EXPECT_EQ(loaded.tensors[1].second.dtype(), DType::Float64);
}

TEST(Convert, ADtypeKeepsSharing) {
  const std::string out = scratch("half.pt");
  convert_checkpoint(open_checkpoint(golden("zip_views.pt")), out, {.dtype = StoredDType::BFloat16});
  std::map<std::string, StoredTensor> tensors;
  for (const NamedTensor& tensor : named_tensors(open_checkpoint(out))) tensors[tensor.name] = tensor.tensor;
  EXPECT_EQ(tensors["base"].dtype, StoredDType::BFloat16);
  EXPECT_EQ(identity(*tensors["base"].storage), identity(*tensors["tail"].storage));
  EXPECT_EQ(tensors["tail"].offset, 20);
}

TEST(Convert, ADryRunWritesNothing) {
  const std::string path = saved("in.pt", simple());
  const std::string out = scratch("dry.safetensors");
  const ConvertReport report = convert_checkpoint(open_checkpoint(path), out, {.dry_run = true});
  EXPECT_EQ(report.parameters.size(), 2u);
  EXPECT_EQ(report.from[0], "m.a");
  EXPECT_FALSE(std::filesystem::exists(out));
}

TEST(Globals, HaveAVerdict) {
  const auto verdict = [](const std::string& pickle) { return inspect_globals(write_bytes("v.pkl", pickle)).verdict; };
  EXPECT_EQ(verdict("\x80\x02N."), Verdict::Harmless);
  EXPECT_EQ(verdict("\x80\x02"
                    "ccollections\nOrderedDict\n)R."),
            Verdict::Harmless);
  EXPECT_EQ(verdict("\x80\x02"
                    "cos\nsystem\nU\x02ls\x85R."),
            Verdict::Dangerous);
  EXPECT_EQ(verdict("\x80\x02"
                    "cos\nsystem\nU\x02ls\x85R"),
            Verdict::Dangerous);  // cut: it ran by then
  EXPECT_EQ(verdict("\x80\x02"
                    "cmylib\nThing\n)R."),
            Verdict::Unknown);
  EXPECT_EQ(verdict("\x80\x02(((("), Verdict::Unknown);
  EXPECT_EQ(verdict("no pickle"), Verdict::Unknown);
  EXPECT_EQ(inspect_globals(golden("plain.safetensors")).verdict, Verdict::Harmless);
  EXPECT_EQ(inspect_globals(golden("foreign.h5")).verdict, Verdict::Harmless);
}

TEST(Against, CountsByModule) {
  const CheckpointFile file =
      open_checkpoint(saved("c.pt", {{"x.a", ones({2})}, {"x.b", ones({3})}, {"y.c", ones({1})}}));
  const MatchReport report =
      match_against(named_tensors(file), {{"x.a", {2}}, {"x.b", {4}}, {"x.d", {1}}, {"z.e", {1}}});
  ASSERT_EQ(report.modules.size(), 3u);
  EXPECT_EQ(report.modules[0].first, "x");
  EXPECT_EQ(report.modules[0].second.matching, 1u);
  EXPECT_THAT(report.modules[0].second.missing, ElementsAre("x.d"));
  EXPECT_EQ(report.modules[0].second.other_shape.size(), 1u);
  EXPECT_THAT(report.modules[2].second.unexpected, ElementsAre("y.c"));
}

TEST(Inspect, ShowsSharingAndStatistics) {
  const std::string text = inspect_checkpoint(open_checkpoint(golden("zip_views.pt")), {.json = false, .stats = true});
  EXPECT_THAT(text, HasSubstr("tail: float32 [4] 16 B  storage 0 offset 20 (shared by 6)"));
  EXPECT_THAT(text, HasSubstr("min 20 max 23 mean 21.5"));
  const std::string json =
      inspect_checkpoint(open_checkpoint(golden("zip_lightning.ckpt")), {.json = true, .stats = false});
  EXPECT_THAT(json, HasSubstr("\"global_step\":1200"));
  EXPECT_THAT(json, HasSubstr("\"name\":\"state_dict.model.fc.weight\",\"dtype\":\"float32\",\"shape\":[2,3]"));
  const GlobalsReport globals = inspect_globals(golden("zip_lightning.ckpt"));
  EXPECT_THAT(globals.text("", false), HasSubstr("torch._utils._rebuild_tensor_v2"));
}

}  // namespace
}  // namespace bevgrad
