// Quantized, sparse, nested and distributed tensors (tests/golden/formats/make_special.py): what they are called, and
// what becomes of them where only plain tensors can be kept.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "files.h"
#include "formats/convert/convert.h"
#include "formats/convert/inspect.h"
#include "formats/torch/special_tensors.h"

namespace bevgrad {
namespace {

using namespace testing;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;

std::vector<double> numbers(const StoredTensor& tensor) {
  std::vector<double> out;
  for_each_piece(tensor, [&](std::span<const std::byte> piece) {
    for (size_t i = 0; i < piece.size(); i += item_size(tensor.dtype))
      out.push_back(to_double(tensor.dtype, &piece[i]));
  });
  return out;
}

TEST(SpecialTensors, BecomePlainWhereOnlyTensorsAreKept) {
  const std::string out = scratch("special.safetensors");
  const ConvertReport report = convert_checkpoint(open_checkpoint(golden("special.pt")), out, {});
  EXPECT_THAT(report.notes, Contains(AllOf(HasSubstr("written as plain tensors"), HasSubstr("per_channel (quantized"),
                                           HasSubstr("bsr (sparse bsr float32 [4,6]"))));
  std::map<std::string, StoredTensor> got;
  for (NamedTensor& tensor : named_tensors(open_checkpoint(out))) got.emplace(tensor.name, tensor.tensor);
  const auto expected = named_tensors(open_checkpoint(golden("special_expected.safetensors")));
  EXPECT_EQ(got.size(), expected.size());
  for (const NamedTensor& want : expected) {
    ASSERT_TRUE(got.contains(want.name)) << want.name;
    EXPECT_EQ(describe(got[want.name]), describe(want.tensor)) << want.name;
    const auto a = numbers(got[want.name]);
    const auto b = numbers(want.tensor);
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-6 * std::abs(b[i])) << want.name << " " << i;
  }
}

TEST(SpecialTensors, AreShownAsWhatTheyAre) {
  const std::string text = inspect_checkpoint(open_checkpoint(golden("special.pt")), {});
  EXPECT_THAT(text, HasSubstr("per_tensor: quantized quint8 [3,4], scale 0.1, zero point 3\n"));
  EXPECT_THAT(text, HasSubstr("per_column: quantized qint8 [4,3], scales along axis 1\n"));
  EXPECT_THAT(text, HasSubstr("hybrid: sparse coo float32 [3,3], 2 blocks\n"));
  EXPECT_THAT(text, HasSubstr("jagged: nested (jagged) float32, 2 rows\n"));
  EXPECT_THAT(text, ::testing::ContainsRegex("distributed: float32 \\[3,4\\].* DTensor"));
  EXPECT_EQ(text.find("_rebuild"), std::string::npos);
}

TEST(SpecialTensors, KeepTheirKindThroughHdf5) {
  const std::string h5 = scratch("special.h5");
  convert_checkpoint(open_checkpoint(golden("special.pt")), h5, {});
  const std::string back = scratch("special.pt");
  convert_checkpoint(open_checkpoint(h5), back, {});
  // PyTorch makes a quantized tensor out of a storage of its own class alone.
  EXPECT_NE(read_bytes(back).find("QUInt8Storage"), std::string::npos);
  EXPECT_NE(read_bytes(back).find("QInt32Storage"), std::string::npos);
  EXPECT_THAT(inspect_checkpoint(open_checkpoint(back), {}), HasSubstr("quantized quint8 [3,4], scale 0.1"));
}

TEST(SpecialTensors, RenamingSaysWhatIsNoTensor) {
  const std::string out = scratch("renamed.pt");
  ConvertOptions options;
  options.names.map = NameMap::parse("^plain$ -> simple", "rules");
  Document document("memory");
  const CheckpointFile file = open_checkpoint(golden("special.pt"));
  const NodeId state_dict = *file.document->find(file.document->root, "state_dict");
  file.document->insert(state_dict, "counter", file.document->make_int(3));
  const ConvertReport report = convert_checkpoint(file, out, options);
  EXPECT_THAT(report.notes, Contains(HasSubstr("not in the new state dict: counter")));
  EXPECT_EQ(open_checkpoint(out).root().at("epoch").as_int(), 1) << "beside the state dict everything stays";
}

/// A sparse tensor of `indices` [1,2] and values 1, 2 in a shape.
NodeId sparse(Document& document, std::initializer_list<double> indices, int64_t size) {
  const NodeId layout = document.add({.kind = ValueKind::Global, .text = "torch.serialization._get_layout"});
  const NodeId name = document.make_tuple({document.make_string("torch.sparse_coo")});
  const NodeId layout_call = document.add({.kind = ValueKind::Object, .items = {layout, name}});
  const NodeId parts = document.make_tuple({document.make_tensor(from_values(indices, {1, 2}, {.dtype = DType::Int64})),
                                            document.make_tensor(from_values({1, 2}, {2})),
                                            document.make_tuple({document.make_int(size)}), document.make_bool(true)});
  const NodeId callable = document.add({.kind = ValueKind::Global, .text = "torch._utils._rebuild_sparse_tensor"});
  return document.add({.kind = ValueKind::Object, .items = {callable, document.make_tuple({layout_call, parts})}});
}

TEST(SpecialTensors, HostileOnesAreErrorsOrStayParts) {
  Document document("memory");
  const auto outside = special_tensor(document, sparse(document, {0, 5}, 4));
  ASSERT_TRUE(outside && outside->plain);
  EXPECT_THAT(message_of([&] { numbers(*outside->plain); }), HasSubstr("an index 5 of a sparse tensor [4]"));
  const auto negative = special_tensor(document, sparse(document, {0, -1}, 4));
  EXPECT_THAT(message_of([&] { numbers(*negative->plain); }), HasSubstr("an index -1"));
  // Zeros without end out of a few bytes.
  const auto huge = special_tensor(document, sparse(document, {0, 1}, int64_t{1} << 40));
  ASSERT_TRUE(huge);
  EXPECT_FALSE(huge->plain);
  EXPECT_EQ(huge->parts.size(), 2u);
}

}  // namespace
}  // namespace bevgrad
