// What people ask of a checkpoint besides what is in it: checks, fingerprints, trees, merges.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "files.h"
#include "formats/convert/check.h"
#include "formats/convert/convert.h"
#include "formats/convert/merge.h"
#include "formats/convert/name_tree.h"
#include "formats/convert/tensor_hash.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

using namespace testing;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

CheckpointFile in_memory(const StateDict& tensors, const std::string& name = "memory") {
  CheckpointFile file{.path = name, .format = FileFormat::TorchZip, .document = std::make_shared<Document>(name)};
  Document& document = *file.document;
  document.root = document.make_dict();
  const NodeId state_dict = document.make_dict();
  for (const auto& [key, tensor] : tensors) document.insert(state_dict, key, document.make_tensor(tensor));
  document.insert(document.root, "state_dict", state_dict);
  document.insert(document.root, "epoch", document.make_int(3));
  return file;
}

Tensor counted(const Shape& sizes) {
  std::vector<double> values(static_cast<size_t>(numel(sizes)));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i);
  return from_values(values, sizes);
}

std::vector<std::string> problems(const StateDict& tensors) {
  std::vector<std::string> out;
  for (const auto& problem : check_checkpoint(in_memory(tensors)).problems) {
    out.push_back(problem.tensor + ": " + problem.what);
  }
  return out;
}

TEST(Check, NamesWhatIsNoWeight) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_THAT(problems({{"a.good", counted({2, 3})}, {"a.bias", full({3}, 0)}}), ElementsAre());
  EXPECT_THAT(problems({{"w.nan", from_values({1, nan}, {2})}}), ElementsAre("w.nan: 1 of 2 values are NaN"));
  EXPECT_THAT(problems({{"w.inf", from_values({-inf, 1}, {2})}}), ElementsAre("w.inf: 1 of 2 values are infinite"));
  EXPECT_THAT(problems({{"w.zero", full({2, 2}, 0)}}), ElementsAre("w.zero: all values are zero"));
  EXPECT_THAT(problems({{"w.small", full({2, 2}, 1e-40)}}), ElementsAre("w.small: all values are zero or denormal"));
  const Tensor tied = counted({10, 10});
  EXPECT_THAT(problems({{"x.a", tied}, {"y.b", tied}}), ElementsAre());
  EXPECT_THAT(problems({{"x.a", counted({10, 10})}, {"y.b", counted({10, 10})}}),
              ElementsAre("y.b: the same values as x.a, with which it shares no storage"));
}

TEST(Hash, IsOfValuesAndNotOfTheirLayout) {
  const std::string pt = scratch("hash.pt");
  const std::string h5 = scratch("hash.h5");
  const std::string safetensors = scratch("hash.safetensors");
  convert_checkpoint(open_checkpoint(golden("zip_views.pt")), pt, {});
  convert_checkpoint(open_checkpoint(golden("zip_views.pt")), h5, {});
  convert_checkpoint(open_checkpoint(golden("zip_views.pt")), safetensors, {});
  const std::string expected = hashes_text(open_checkpoint(golden("zip_views.pt")), false);
  for (const std::string& path : {pt, h5, safetensors}) EXPECT_EQ(hashes_text(open_checkpoint(path), false), expected);
  const auto hash = [](const Tensor& tensor) { return tensor_hash(stored_tensor(tensor)); };
  EXPECT_EQ(hash(counted({2, 3})), hash(counted({2, 3})));
  EXPECT_NE(hash(counted({2, 3})), hash(counted({3, 2})));
  EXPECT_NE(hash(counted({2})), hash(ops::to(counted({2}), DType::Float64)));
  EXPECT_EQ(hash(counted({2})).size(), 32u);
}

TEST(NameTree, AddsUpWhatIsBelow) {
  const CheckpointFile file =
      in_memory({{"layer1.0.w", counted({2, 3})}, {"layer1.1.w", counted({4})}, {"head", counted({5})}});
  const std::string tree = name_tree(file, 0);
  EXPECT_THAT(
      tree, AllOf(HasSubstr("memory  3 tensors, 15 values, 60 B"), HasSubstr("  layer1  2 tensors, 10 values, 40 B\n"),
                  HasSubstr("      w  float32 [2,3]  24 B\n"), HasSubstr("  head  float32 [5]  20 B\n")));
  EXPECT_THAT(name_tree(file, 1), AllOf(HasSubstr("layer1"), Not(HasSubstr("[2,3]"))));
}

std::vector<double> merged(const std::vector<double>& values, const std::vector<double>& weights) {
  std::vector<CheckpointFile> files;
  for (const double value : values)
    files.push_back(in_memory({{"w.a", full({2}, value)}, {"w.b", full({1}, 2 * value)}}));
  const std::string out = scratch("merged.pt");
  convert_checkpoint(merge_checkpoints(std::move(files), weights).file, out, {});
  EXPECT_EQ(open_checkpoint(out).root().at("epoch").as_int(), 3);
  std::vector<double> all;
  for (const auto& [name, tensor] : load_state_dict(out).tensors) {
    for (const double value : tensor.to_vector()) all.push_back(value);
  }
  return all;
}

TEST(Merge, CombinesParameters) {
  EXPECT_THAT(merged({1, 3}, {0.5, 0.5}), ElementsAre(2, 2, 4));
  EXPECT_THAT(merged({1, 3}, {0.25, 0.75}), ElementsAre(2.5, 2.5, 5));
  EXPECT_THAT(merged({1, 2, 4}, task_weights(2, 0.5)), ElementsAre(3, 3, 6));  // 1 + 0.5 * 1 + 0.5 * 3
  EXPECT_THAT(moving_average_weights(3, 0.5), ElementsAre(0.25, 0.25, 0.5));
  const Tensor tied = full({2}, 1);
  std::vector<CheckpointFile> files;
  for (int i = 0; i < 2; ++i) files.push_back(in_memory({{"x.a", tied}, {"y.b", tied}}));
  const CheckpointFile both = merge_checkpoints(std::move(files), {1, 2}).file;
  const auto tensors = named_tensors(both);
  EXPECT_EQ(identity(*tensors[0].tensor.storage), identity(*tensors[1].tensor.storage));
  EXPECT_EQ(to_tensor(tensors[1].tensor, "").to_vector(), (std::vector<double>{3, 3}));
}

TEST(Merge, NamesOfOneTensorInOneFileAloneBecomeTwo) {
  const Tensor tied = full({2}, 1);
  std::vector<CheckpointFile> files;
  files.push_back(in_memory({{"x.a", tied}, {"y.b", tied}}));
  files.push_back(in_memory({{"x.a", full({2}, 3)}, {"y.b", full({2}, 5)}}));
  const CheckpointFile both = merge_checkpoints(std::move(files), {1, 1}).file;
  const auto tensors = named_tensors(both);
  EXPECT_EQ(to_tensor(tensors[0].tensor, "").to_vector(), (std::vector<double>{4, 4}));
  EXPECT_EQ(to_tensor(tensors[1].tensor, "").to_vector(), (std::vector<double>{6, 6}));
}

TEST(Merge, ComplexNumbersInPartsAndWholeNumbersOfTheFirst) {
  const auto file = [](float real, float imaginary, int64_t count) {
    CheckpointFile made = in_memory({{"n", full({1}, static_cast<double>(count), {.dtype = DType::Int64})}});
    const std::vector<float> values = {real, imaginary, 2 * real, 2 * imaginary};
    const auto source = memory_source("c", std::string_view(reinterpret_cast<const char*>(values.data()), 16));
    Document& document = *made.document;
    document.insert(*document.find(document.root, "state_dict"), "c",
                    document.make_tensor(StoredTensor{.storage = range_storage("c", source, 0, 16),
                                                      .dtype = StoredDType::Complex64,
                                                      .sizes = {2},
                                                      .strides = {1}}));
    return made;
  };
  std::vector<CheckpointFile> files;
  files.push_back(file(1, 2, 7));
  files.push_back(file(3, -6, 9));
  const MergedCheckpoint merged = merge_checkpoints(std::move(files), {0.5, 0.5});
  EXPECT_THAT(merged.kept, ElementsAre("n"));
  for (const NamedTensor& tensor : named_tensors(merged.file)) {
    if (tensor.name == "n") {
      EXPECT_EQ(to_tensor(tensor.tensor, "").to_vector(), (std::vector<double>{7}));
      continue;
    }
    std::vector<float> values(4);
    ValueReader(tensor.tensor).read(std::as_writable_bytes(std::span(values)));
    EXPECT_THAT(values, ElementsAre(2, -2, 4, -4));
  }
}

TEST(Merge, FilesMustHaveTheSameParameters) {
  const auto error = [](const StateDict& a, const StateDict& b) {
    return message_of([&] {
      std::vector<CheckpointFile> files;
      files.push_back(in_memory(a, "first"));
      files.push_back(in_memory(b, "second"));
      merge_checkpoints(std::move(files), {1, 1});
    });
  };
  EXPECT_THAT(error({{"a", ones({2})}}, {{"b", ones({2})}}), HasSubstr("second: 'a' is not in it"));
  EXPECT_THAT(error({{"a", ones({2})}}, {{"a", ones({3})}}),
              HasSubstr("'a' is float32 [3], in first it is float32 [2]"));
  EXPECT_THAT(error({{"a", ones({2})}}, {{"a", ones({2})}, {"b", ones({1})}}), HasSubstr("has 1 parameters"));
}

}  // namespace
}  // namespace bevgrad
