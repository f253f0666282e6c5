#include "formats/convert/name_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
  const std::string globals =
      globals_text("", list_globals(*open_checkpoint(golden("zip_lightning.ckpt")).document), false);
  EXPECT_THAT(globals, HasSubstr("torch._utils._rebuild_tensor_v2"));
}

}  // namespace
}  // namespace bevgrad
