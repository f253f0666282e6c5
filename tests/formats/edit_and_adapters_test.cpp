// What changes a checkpoint or shows two: edit, low-rank adapters, side by side, the page, guesses of maps, the C API.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "convert/internal/low_rank.h"
#include "files.h"
#include "formats/c_api/checkpoint.h"
#include "formats/convert/against.h"
#include "formats/convert/convert.h"
#include "formats/convert/edit.h"
#include "formats/convert/inspect_html.h"
#include "formats/convert/lora.h"
#include "formats/convert/side_by_side.h"

namespace bevgrad {
namespace {

using namespace testing;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<double> numbers(const StoredTensor& tensor) {
  std::vector<double> out;
  for_each_piece(tensor, [&](std::span<const std::byte> piece) {
    for (size_t i = 0; i < piece.size(); i += item_size(tensor.dtype))
      out.push_back(to_double(tensor.dtype, &piece[i]));
  });
  return out;
}

CheckpointFile in_memory(const StateDict& tensors, const std::string& path = "memory") {
  CheckpointFile file{.path = path, .format = FileFormat::TorchZip, .document = std::make_shared<Document>(path)};
  Document& document = *file.document;
  document.root = document.make_dict();
  for (const auto& [name, tensor] : tensors) document.insert(document.root, name, document.make_tensor(tensor));
  return file;
}

TEST(Edit, DropsAndRenamesAndLeavesTheRest) {
  CheckpointFile file = open_checkpoint(golden("zip_lightning.ckpt"));
  const std::vector<NamedTensor> before = named_tensors(file);
  const std::string first = before[0].name;
  const EditReport report = edit_checkpoint(
      file, {.drop = {"optimizer_states", "nothing*"}, .rename = {{"state_dict." + first, "state_dict.new.name"}}});
  EXPECT_THAT(report.dropped, ElementsAre("optimizer_states"));
  EXPECT_THAT(report.renamed, ElementsAre("state_dict." + first + " -> state_dict.new.name"));
  EXPECT_THAT(report.unused, ElementsAre(HasSubstr("--drop nothing*")));
  const std::string out = scratch("edited.ckpt");
  convert_checkpoint(file, out, {});
  const CheckpointFile edited = open_checkpoint(out);
  EXPECT_FALSE(edited.root().contains("optimizer_states"));
  EXPECT_TRUE(edited.root().contains("epoch"));
  const auto after = named_tensors(edited);
  EXPECT_EQ(after.size(), before.size());
  EXPECT_EQ(after[0].name, "new.name") << "in its place";
  EXPECT_EQ(hex_of(after[0].tensor), hex_of(before[0].tensor));
  CheckpointFile taken = in_memory({{"a", ones({1})}, {"b", ones({1})}});
  EXPECT_THAT(message_of([&] { edit_checkpoint(taken, {.rename = {{"a", "b"}}}); }), HasSubstr("'b' is there already"));
  // Places are those before the change, also below what is renamed.
  CheckpointFile outer = open_checkpoint(golden("zip_lightning.ckpt"));
  edit_checkpoint(outer, {.rename = {{"state_dict", "model"}, {"state_dict." + first, "state_dict.new"}}});
  EXPECT_TRUE(outer.root().at("model").contains("new"));
  CheckpointFile nested = open_checkpoint(golden("zip_lightning.ckpt"));
  EXPECT_THROW(edit_checkpoint(nested, {.rename = {{"state_dict." + first, "elsewhere"}}}), UsageError);
}

TEST(LowRank, IsTheBestThereIs) {
  // diag(4, 2, 1) within [4,3]: of rank 2 the last one is left out.
  Matrix matrix{4, 3, std::vector<double>(12, 0)};
  matrix.values[0] = 4;
  matrix.values[4] = 2;
  matrix.values[8] = 1;
  const LowRank low = low_rank(matrix, 2);
  EXPECT_NEAR(low.left_out_squares, 1, 1e-9);
  const auto at = [&](int64_t i, int64_t j) {
    double sum = 0;
    for (int64_t k = 0; k < 2; ++k) sum += low.left.values[i * 2 + k] * low.right.values[k * 3 + j];
    return sum;
  };
  EXPECT_NEAR(at(0, 0), 4, 1e-9);
  EXPECT_NEAR(at(1, 1), 2, 1e-9);
  EXPECT_NEAR(at(2, 2), 0, 1e-9);
  const LowRank nothing = low_rank({2, 2, {0, 0, 0, 0}}, 2);
  for (const double value : nothing.left.values) EXPECT_EQ(value, 0);
}

TEST(Lora, AddsWhatItExtracts) {
  const auto model = [](double shift) {
    std::vector<double> weight(24);
    std::vector<double> kernel(36);
    for (size_t i = 0; i < weight.size(); ++i) weight[i] = std::sin(i) + shift * (i / 4 + 1.0) * (i % 4 + 1.0);
    for (size_t i = 0; i < kernel.size(); ++i) kernel[i] = std::cos(i) + shift * (i / 9 + 1.0) * (i % 9);
    return StateDict{{"layer.weight", from_values(weight, {6, 4})},
                     {"conv.weight", from_values(kernel, {4, 1, 3, 3})},
                     {"same.weight", ones({2, 2})},
                     {"layer.bias", from_values({shift, 0}, {2})}};
  };
  const ExtractedLora lora = extract_lora(in_memory(model(0)), in_memory(model(0.5)), 2);
  EXPECT_EQ(lora.weights, 2u);
  EXPECT_LT(lora.left_out, 1e-6) << "the changes are of rank 1";
  EXPECT_THAT(lora.unfactored, ElementsAre("layer.bias"));
  const auto factors = named_tensors(lora.adapter);
  EXPECT_EQ(factors[0].name, "base_model.model.layer.lora_A.weight");
  EXPECT_EQ(factors[0].tensor.sizes, (Shape{2, 4}));
  EXPECT_EQ(factors[2].tensor.sizes, (Shape{2, 1, 3, 3}));
  EXPECT_EQ(factors[3].tensor.sizes, (Shape{4, 2, 1, 1}));
  const auto added = named_tensors(add_lora(in_memory(model(0)), lora.adapter, {}, 1));
  const auto want = named_tensors(in_memory(model(0.5)));
  for (size_t t = 0; t < 2; ++t) {
    const auto a = numbers(added[t].tensor);
    const auto b = numbers(want[t].tensor);
    for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-5) << added[t].name;
  }
  EXPECT_THAT(message_of([&] {
                add_lora(in_memory({{"x.weight", ones({2, 2})}}), lora.adapter, {}, 1);
              }),
              HasSubstr("is not in it"));
  EXPECT_THAT(message_of([&] { add_lora(in_memory(model(0)), in_memory(model(0)), {}, 1); }), HasSubstr("no factor"));
}

std::optional<LoraSettings> settings_of(const std::string& json) {
  const std::string folder = scratch("adapter");
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/adapter_config.json") << json;
  return lora_settings(folder + "/adapter_model.safetensors");
}

TEST(Lora, ScalesOfItsConfig) {
  EXPECT_FALSE(lora_settings(scratch("none")));
  EXPECT_EQ(settings_of(R"({"r": 4, "lora_alpha": 8, "use_rslora": false, "x": null})")->scale("m", 4), 2.0);
  EXPECT_EQ(settings_of(R"({"r": 4, "lora_alpha": 8, "use_rslora": true})")->scale("m", 4), 4.0);
  EXPECT_THAT(message_of([&] { settings_of("{\"r\": 0}"); }), HasSubstr("no lora_alpha"));
  EXPECT_THAT(message_of([&] { settings_of(R"({"r": 4, "lora_alpha": 8, "use_dora": true})"); }), HasSubstr("DoRA"));
  const auto settings = settings_of(R"({"r": 4, "lora_alpha": 8, "alpha_pattern": {"^q": 1, "layers\\.0.k": 16},
                                        "rank_pattern": {"k": 2, "0.k": 3}})");
  EXPECT_EQ(settings->scale("v", 4), 2.0);
  EXPECT_EQ(settings->scale("q", 4), 0.25);
  EXPECT_EQ(settings->scale("a.q", 4), 2.0) << "^ means the whole name";
  EXPECT_EQ(settings->scale("model.layers.0.k", 2), 8.0) << "the first that matches";
  EXPECT_EQ(settings->scale("model.layers.10.k", 2), 4.0);
  EXPECT_THAT(message_of([&] { settings->scale("v", 2); }), HasSubstr("factors of rank 2, adapter_config.json says 4"));
  EXPECT_THAT(message_of([&] { settings_of(R"({"r": 4, "lora_alpha": 8, "alpha_pattern": {"l.*k": 1}})"); }),
              HasSubstr("regular expressions are not known"));
}

TEST(Lora, TransposedWeightsEmbeddingsAndWholeParameters) {
  const StateDict base{{"c.weight", zeros({2, 2})}, {"e.weight", zeros({3, 2})}, {"head.bias", zeros({2})}};
  // B A = [[3, 4], [6, 8]].
  const StateDict adapter{{"base_model.model.c.lora_A.default.weight", from_values({3, 4}, {1, 2})},
                          {"base_model.model.c.lora_B.default.weight", from_values({1, 2}, {2, 1})},
                          {"base_model.model.e.lora_embedding_A", from_values({1, 2, 3}, {1, 3})},
                          {"base_model.model.e.lora_embedding_B", from_values({10, 20}, {2, 1})},
                          {"base_model.model.head.modules_to_save.default.bias", from_values({5, 6}, {2})}};
  const auto values = [&](bool transposed, double amount) {
    const LoraSettings settings{.alpha = 2, .rank = 1, .transposed = transposed};
    std::vector<std::vector<double>> out;
    for (const NamedTensor& tensor : named_tensors(add_lora(in_memory(base), in_memory(adapter), settings, amount))) {
      out.push_back(numbers(tensor.tensor));
    }
    return out;
  };
  EXPECT_THAT(values(false, 0.5),
              ElementsAre(ElementsAre(3, 4, 6, 8), ElementsAre(10, 20, 20, 40, 30, 60), ElementsAre(5, 6)));
  EXPECT_THAT(values(true, 0.5)[0], ElementsAre(3, 6, 4, 8));
  EXPECT_THAT(message_of([&] {
                add_lora(in_memory(base), in_memory({{"c.lora_magnitude_vector", ones({2})}}), {}, 1);
              }),
              HasSubstr("DoRA"));
}

TEST(SideBySide, WhatIsAlikeOtherAndAlone) {
  const CheckpointFile a = in_memory({{"same", ones({2})}, {"shape", ones({2, 3})}, {"gone", ones({1})}}, "a.pt");
  const CheckpointFile b = in_memory({{"same", zeros({2})}, {"shape", ones({3, 2})}, {"new<", ones({1})}}, "b.pt");
  const std::string text = side_by_side_text(a, b, false);
  EXPECT_THAT(text, ::testing::ContainsRegex("= same +float32 \\[2\\] +float32 \\[2\\]"));
  EXPECT_THAT(text, ::testing::ContainsRegex("! shape +float32 \\[2,3\\] +float32 \\[3,2\\]"));
  EXPECT_THAT(text, ::testing::ContainsRegex("< gone +float32 \\[1\\] +-"));
  EXPECT_THAT(text, HasSubstr("1 alike (0 are no tensors), 1 other, 1 only in A, 1 only in B"));
  EXPECT_THAT(side_by_side_text(a, b, true), HasSubstr(R"({"name":"gone","a":"float32 [1]","b":null})"));
}

TEST(Page, HoldsEverythingAndRunsNothingOfAFile) {
  const std::string hostile = "</script><script>alert(1)</script>";
  const CheckpointFile a = in_memory({{hostile, from_values({1, 2, 4}, {3})}, {"x.w", ones({2})}}, "<b>a.pt");
  const CheckpointFile b = in_memory({{hostile, from_values({1, 2, 5}, {3})}, {"x.w", ones({2})}}, "b.pt");
  const std::string page = inspect_html(a, &b);
  EXPECT_EQ(page.find("<script>alert"), std::string::npos);
  EXPECT_EQ(page.find("<b>a.pt"), std::string::npos);
  EXPECT_THAT(page, AllOf(HasSubstr("\"bins\":["), HasSubstr("\"largest difference\":\"1\""),
                          HasSubstr("id=\"search\""), HasSubstr("only what differs"), Not(HasSubstr("http://cdn"))));
  EXPECT_THAT(inspect_html(a, nullptr), Not(HasSubstr("only what differs")));
}

TEST(Against, GuessesTheMap) {
  std::vector<ExpectedTensor> expected;
  StateDict file;
  for (int i = 0; i < 4; ++i) {
    for (int block = 0; block < 3; ++block) {
      expected.push_back({fmt::format("stage1_backbone{}.layer1.{}.conv1.weight", i, block), {2, 2, 3, 3}});
    }
  }
  for (int block = 0; block < 3; ++block)
    file.emplace_back(fmt::format("layer1.{}.conv1.weight", block), ones({2, 2, 3, 3}));
  file.emplace_back("fc.weight", ones({2, 2}));
  std::string prefix;
  const auto guesses = guess_maps(named_tensors(in_memory(file)), expected, "f", &prefix);
  ASSERT_FALSE(guesses.empty());
  EXPECT_THAT(guesses[0].map, HasSubstr("torchvision-resnet"));
  EXPECT_EQ(guesses[0].matching, 12u);
  EXPECT_THAT(guess_text(guesses, prefix, expected.size()), HasSubstr("sure (12 of 12 match"));
  EXPECT_THAT(
      guess_text(guess_maps(named_tensors(in_memory({{"odd", ones({1})}})), expected, "f", &prefix), prefix, 12),
      HasSubstr("no ready-made map"));
}

TEST(CApi, ReadsWhatIsThere) {
  char* error = nullptr;
  bevgrad_checkpoint* file = bevgrad_checkpoint_open(golden("zip_lightning.ckpt").c_str(), &error);
  ASSERT_NE(file, nullptr) << error;
  EXPECT_STREQ(bevgrad_checkpoint_format(file), "PyTorch (zip)");
  const auto parameters = named_tensors(open_checkpoint(golden("zip_lightning.ckpt")));
  ASSERT_EQ(bevgrad_checkpoint_parameters(file), parameters.size());
  for (size_t i = 0; i < parameters.size(); ++i) {
    size_t tensor = 0;
    EXPECT_EQ(bevgrad_checkpoint_parameter(file, i, &tensor), parameters[i].name);
    bevgrad_tensor info{};
    ASSERT_EQ(bevgrad_checkpoint_tensor(file, tensor, &info), 0);
    EXPECT_EQ(Shape(info.sizes, info.sizes + info.rank), parameters[i].tensor.sizes);
    std::vector<std::byte> bytes(info.bytes);
    ASSERT_EQ(bevgrad_checkpoint_read(file, tensor, bytes.data(), bytes.size(), &error), 0) << error;
    std::vector<std::byte> want(info.bytes);
    ValueReader(parameters[i].tensor).read(want);
    EXPECT_EQ(bytes, want);
    EXPECT_EQ(bevgrad_checkpoint_read(file, tensor, bytes.data(), bytes.size() + 1, &error), -1);
    EXPECT_THAT(error, HasSubstr("room for"));
    bevgrad_checkpoint_free(error);
  }
  EXPECT_THAT(bevgrad_checkpoint_structure(file), HasSubstr("\"epoch\":"));
  EXPECT_EQ(bevgrad_checkpoint_parameter(file, parameters.size(), nullptr), nullptr);
  bevgrad_tensor none{};
  EXPECT_EQ(bevgrad_checkpoint_tensor(file, 1 << 20, &none), -1);
  bevgrad_checkpoint_close(file);
  bevgrad_checkpoint_close(nullptr);
  EXPECT_EQ(bevgrad_checkpoint_open("/nowhere/x.pt", &error), nullptr);
  EXPECT_THAT(error, HasSubstr("/nowhere/x.pt"));
  bevgrad_checkpoint_free(error);
  EXPECT_EQ(bevgrad_checkpoint_open("/nowhere/x.pt", nullptr), nullptr);
}

TEST(CApi, CirclesAreReferences) {
  bevgrad_checkpoint* file = bevgrad_checkpoint_open(golden("structure_circles.pt").c_str(), nullptr);
  ASSERT_NE(file, nullptr);
  EXPECT_THAT(bevgrad_checkpoint_structure(file),
              AllOf(HasSubstr("{\"$\":\"shared\",\"id\":"), HasSubstr("{\"$\":\"ref\",\"to\":")));
  bevgrad_checkpoint_close(file);
}

}  // namespace
}  // namespace bevgrad
