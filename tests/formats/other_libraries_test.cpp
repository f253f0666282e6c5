// Files of other libraries (tests/golden/formats/make_special.py): ggml's quantized blocks, Keras's layers,
// TensorFlow's bundles; parts of Megatron's and FSDP's models.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "files.h"
#include "formats/convert/convert.h"
#include "formats/convert/inspect.h"
#include "formats/convert/join.h"
#include "formats/convert/name_map.h"
#include "formats/hdf5/tensor_file.h"

namespace bevgrad {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<double> numbers(const StoredTensor& tensor) {
  std::vector<double> out;
  for_each_piece(tensor, [&](std::span<const std::byte> piece) {
    for (size_t i = 0; i < piece.size(); i += item_size(tensor.dtype))
      out.push_back(to_double(tensor.dtype, &piece[i]));
  });
  return out;
}

std::map<std::string, StoredTensor> by_name(const CheckpointFile& file) {
  std::map<std::string, StoredTensor> out;
  for (NamedTensor& tensor : named_tensors(file)) out.emplace(tensor.name, tensor.tensor);
  return out;
}

TEST(Gguf, QuantizedBlocksAreDecoded) {
  const CheckpointFile file = open_checkpoint(golden("quantized.gguf"));
  auto got = by_name(file);
  for (const NamedTensor& want : named_tensors(open_checkpoint(golden("quantized_expected.safetensors")))) {
    ASSERT_TRUE(got.contains(want.name)) << want.name;
    EXPECT_EQ(describe(got[want.name]), describe(want.tensor));
    const auto a = numbers(got[want.name]);
    const auto b = numbers(want.tensor);
    for (size_t i = 0; i < b.size(); ++i) {
      ASSERT_NEAR(a[i], b[i], 1e-6 * std::abs(b[i]) + 1e-7) << want.name << " " << i;
    }
    // Any part by itself, across the borders of blocks.
    std::vector<std::byte> part(400);
    got[want.name].storage->read(1000, part);
    float third = 0;
    std::memcpy(&third, &part[8], sizeof third);
    EXPECT_EQ(third, static_cast<float>(a[252])) << want.name;
  }
}

TEST(Keras, LambdaLayersHoldCode) {
  const auto verdict = [](std::string_view config) {
    const std::string path = scratch("lambda.h5");
    {
      Hdf5Writer writer(path);
      writer.write("model_weights/w", full({2}, 1));
      writer.set_attribute("", "model_config", config);
      writer.commit();
    }
    return inspect_globals(path);
  };
  const GlobalsReport report = verdict(
      R"({"class_name": "Functional", "config": {"layers": [{"class_name" :"\u004cambda", "config": {}},
          {"config": {"name": "x"}, "class_name":"Lambda"}, {"class_name": "Dense"}]}})");
  EXPECT_EQ(report.verdict, Verdict::Dangerous);
  ASSERT_EQ(report.globals.size(), 1u);
  EXPECT_EQ(report.globals[0].name, "keras.layers.Lambda");
  EXPECT_EQ(report.globals[0].mentions, 2u);
  EXPECT_EQ(verdict(R"({"class_name": "Dense", "config": {"name": "Lambda", "class_name": ["Lambda"]}})").verdict,
            Verdict::Harmless);
  EXPECT_EQ(verdict("no JSON \"Lambda\"").verdict, Verdict::Harmless);
  EXPECT_EQ(inspect_globals(golden("keras.h5")).verdict, Verdict::Harmless);
}

TEST(Keras, LayersComeInTheModelsOrderAndKernelsTurned) {
  const CheckpointFile file = open_checkpoint(golden("keras.h5"));
  NameOptions options;
  options.map = NameMap::load("keras");
  const auto tensors = rename_tensors(named_tensors(file), options, file.path);
  std::vector<std::string> names;
  for (const NamedTensor& tensor : tensors) names.push_back(tensor.name + " " + to_string(tensor.tensor.sizes));
  EXPECT_THAT(names, ElementsAre("stem.weight [4,2,3,5]", "stem.bias [4]", "norm.weight [4]", "norm.bias [4]",
                                 "norm.running_mean [4]", "norm.running_var [4]", "depth.weight [8,1,3,3]",
                                 "depth.bias [8]", "a_dense.weight [3,8]", "a_dense.bias [3]"));
  auto raw = by_name(file);
  // weight[o][i][y][x] = kernel[y][x][i][o]
  const auto kernel = numbers(raw["model_weights.stem.stem.kernel:0"]);
  const auto weight = numbers(tensors[0].tensor);
  const auto at = [](int y, int x, int i, int o) { return static_cast<size_t>(((y * 5 + x) * 2 + i) * 4 + o); };
  EXPECT_EQ(weight[((3 * 2 + 1) * 3 + 2) * 5 + 4], kernel[at(2, 4, 1, 3)]);
  EXPECT_EQ(weight[((0 * 2 + 1) * 3 + 0) * 5 + 2], kernel[at(0, 2, 1, 0)]);
  // depthwise: weight[i * 2 + m][0][y][x] = kernel[y][x][i][m]
  const auto depthwise = numbers(raw["model_weights.depth.depth.depthwise_kernel:0"]);
  const auto turned = numbers(tensors[6].tensor);
  EXPECT_EQ(turned[((3 * 2 + 1) * 3 + 2) * 3 + 1], depthwise[((2 * 3 + 1) * 4 + 3) * 2 + 1]);
}

TEST(AxisOrders, AreReadStrictly) {
  const StoredTensor tensor = stored_tensor(zeros({2, 3, 4, 5}));
  EXPECT_EQ(AxisOrder::parse("3,2,0,1", "r").apply(tensor).sizes, (Shape{5, 4, 2, 3}));
  EXPECT_EQ(AxisOrder::parse("2*3, +, 0, 1", "r").apply(tensor).sizes, (Shape{20, 1, 2, 3}));
  for (const char* wrong : {"", "0,0", "1,2", "0,,1", "0,1,", "*0,1", "0*,1", "a", "0;1", "0 1"}) {
    EXPECT_THROW(AxisOrder::parse(wrong, "r"), UsageError) << wrong;
  }
  const NameMap map = NameMap::parse("w -> v permute 1,0", "rules");
  EXPECT_THAT(message_of([&] { map.permuted({"w", tensor}, 0, "f"); }), HasSubstr("no order of axes"));
}

TEST(Maps, BevfusionsMapsAreTurned) {
  // A convolution over a map with x along the rows is one with turned kernels over the map with y along the rows.
  NameOptions options;
  options.map = NameMap::load("bevfusion");
  const StoredTensor kernel = stored_tensor(from_values({1, 2, 3, 4, 5, 6}, {1, 1, 2, 3}));
  const StoredTensor bias = stored_tensor(from_values({7}, {1}));
  const auto out =
      rename_tensors({{"decoder.backbone.blocks.0.0.weight", kernel}, {"fuser.1.bias", bias}}, options, "f");
  EXPECT_EQ(out[0].name, "lidar_bev_backbone.blocks.0.0.weight");
  EXPECT_EQ(out[0].tensor.sizes, (Shape{1, 1, 3, 2}));
  EXPECT_THAT(numbers(out[0].tensor), ElementsAre(1, 4, 2, 5, 3, 6));
  EXPECT_THAT(numbers(out[1].tensor), ElementsAre(7));
}

std::string varint(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  return out + static_cast<char>(value);
}
std::string field(int number, const std::string& bytes) {
  return varint(static_cast<uint64_t>(number) * 8 + 2) + varint(bytes.size()) + bytes;
}
std::string field(int number, uint64_t value) {
  return varint(static_cast<uint64_t>(number) * 8) + varint(value);
}

/// A block of keys, the second of which shares its beginning with the first, and what follows a block.
std::string table_block(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string out;
  std::string last;
  for (const auto& [key, value] : entries) {
    size_t shared = 0;
    while (shared < last.size() && shared < key.size() && last[shared] == key[shared]) ++shared;
    out += varint(shared) + varint(key.size() - shared) + varint(value.size()) + key.substr(shared) + value;
    last = key;
  }
  return out + std::string(4, '\0') + std::string("\1\0\0\0", 4) + std::string(5, '\0');
}

/// The index of one float tensor [2,3] at byte 8 and one of texts; or of two tensors at the same bytes.
std::string tensorflow_index(uint64_t bytes = 24, uint64_t offset = 8, bool twice = false) {
  const std::string sizes = field(2, field(1, 2)) + field(2, field(1, 3));
  const std::string tensor = field(1, 1) + field(2, sizes) + field(4, offset) + field(5, bytes);
  const std::string texts = field(1, 7) + field(5, 4);
  const std::string data = table_block({{"", field(1, 1)},
                                        {"model/kernel/.ATTRIBUTES/VARIABLE_VALUE", tensor},
                                        {"model/names/.ATTRIBUTES/VARIABLE_VALUE", twice ? tensor : texts}});
  const std::string meta = table_block({});
  const std::string index = table_block({{"n", varint(0) + varint(data.size() - 5)}});
  std::string footer =
      varint(data.size()) + varint(meta.size() - 5) + varint(data.size() + meta.size()) + varint(index.size() - 5);
  footer.resize(40, '\0');
  return data + meta + index + footer + std::string("\x57\xfb\x80\x8b\x24\x75\x47\xdb", 8);
}

TEST(Tensorflow, TensorsByName) {
  const std::vector<float> values{0, 0, 1, 2, 3, 4, 5, 6};
  const std::string path = write_bytes("ckpt-1.index", tensorflow_index());
  EXPECT_THAT(message_of([&] { open_checkpoint(path); }), HasSubstr("ckpt-1.data-00000-of-00001"));
  write_bytes("ckpt-1.data-00000-of-00001", std::string(reinterpret_cast<const char*>(values.data()), 32));
  const CheckpointFile file = open_checkpoint(path);
  EXPECT_EQ(file.format, FileFormat::Tensorflow);
  auto tensors = by_name(file);
  EXPECT_EQ(tensors["model/kernel"].sizes, (Shape{2, 3}));
  EXPECT_THAT(numbers(tensors["model/kernel"]), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(file.document->left_out, ElementsAre("'model/names' (texts)"));
  write_bytes("ckpt-1.index", tensorflow_index(20));
  EXPECT_THAT(message_of([&] { open_checkpoint(path); }), HasSubstr("has 20 bytes"));
  write_bytes("ckpt-1.index", tensorflow_index(24, 16));
  EXPECT_THAT(message_of([&] { open_checkpoint(path); }), HasSubstr("leave"));
  write_bytes("ckpt-1.index", tensorflow_index(24, 8, true));
  EXPECT_THAT(message_of([&] { open_checkpoint(path); }), HasSubstr("'model/kernel' and 'model/names' overlap"));
  const std::string whole = tensorflow_index();
  for (size_t at = 0; at + 48 < whole.size(); ++at) {
    std::string broken = whole;
    broken[at] = static_cast<char>(broken[at] ^ 0x55);
    write_bytes("ckpt-1.index", broken);
    try {
      open_checkpoint(path);
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("ckpt-1"));
    }
  }
}

CheckpointFile part(const StateDict& tensors) {
  CheckpointFile file{.path = "part", .format = FileFormat::TorchZip, .document = std::make_shared<Document>("part")};
  Document& document = *file.document;
  document.root = document.make_dict();
  const NodeId model = document.make_dict();
  document.insert(document.root, "model", model);
  document.insert(document.root, "iteration", document.make_int(7));
  for (const auto& [name, tensor] : tensors) document.insert(model, name, document.make_tensor(tensor));
  return file;
}

TEST(Join, TensorsThatWereCutByRules) {
  const auto rank = [](double start) {
    return part({{"h.query_key_value.weight", from_values({start, start + 1}, {1, 2})},
                 {"h.self_attention.dense.weight", from_values({start, start + 1}, {2, 1})},
                 {"h.gated.weight", from_values({start, start + 10}, {2, 1})},
                 {"norm.weight", from_values({5}, {1})},
                 {"own.state", from_values({start}, {1})}});
  };
  JoinRules rules = JoinRules::parse(
      "# as here\ngated -> cat 0 of 2\nquery_key_value -> cat 0\ndense\\.weight -> cat 1\nown -> first\n", "rules");
  const CheckpointFile joined = join_checkpoints({rank(1), rank(3)}, rules);
  auto tensors = by_name(joined);
  EXPECT_THAT(numbers(tensors["h.query_key_value.weight"]), ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(tensors["h.query_key_value.weight"].sizes, (Shape{2, 2}));
  EXPECT_THAT(numbers(tensors["h.self_attention.dense.weight"]), ElementsAre(1, 3, 2, 4));
  EXPECT_THAT(numbers(tensors["h.gated.weight"]), ElementsAre(1, 3, 11, 13));
  EXPECT_THAT(numbers(tensors["norm.weight"]), ElementsAre(5));
  EXPECT_THAT(numbers(tensors["own.state"]), ElementsAre(1));
  EXPECT_EQ(joined.root().at("iteration").as_int(), 7);
  EXPECT_THAT(message_of([&] {
                join_checkpoints({rank(1), rank(3)}, JoinRules::load("megatron"));
              }),
              HasSubstr("no rule says how to join it"));
  EXPECT_THROW(JoinRules::parse("x -> glue 1", "rules"), UsageError);
  EXPECT_THROW(JoinRules::parse("x -> cat one", "rules"), UsageError);
}

/// A shard of one flat parameter of a module "layer": a weight [2,2] and a bias [1], cut into pieces of three values.
CheckpointFile flat_shard(std::initializer_list<double> values, int64_t padding) {
  CheckpointFile file = part({{"layer.flat_param_0", from_values(values, {static_cast<int64_t>(values.size())})},
                              {"layer.mean", from_values({9}, {1})}});
  Document& document = *file.document;
  const auto texts = [&](std::vector<std::string> all) {
    std::vector<NodeId> items;
    for (std::string& text : all) items.push_back(document.make_string(std::move(text)));
    return document.make_list(std::move(items));
  };
  const NodeId flat = document.make_dict();
  document.insert(flat, "names", texts({"_fpw_module.weight", "_fpw_module.bias"}));
  document.insert(flat, "shapes",
                  document.make_list({document.make_tuple({document.make_int(2), document.make_int(2)}),
                                      document.make_tuple({document.make_int(1)})}));
  document.insert(flat, "padding", document.make_int(padding));
  const NodeId params = document.make_dict();
  document.insert(params, "flat_param_0", flat);
  const NodeId group = document.make_dict();
  document.insert(group, "fsdp_path", document.make_string("layer"));
  document.insert(group, "params", params);
  document.insert(group, "shared_param_info", document.make_list({texts({"weight", "tied"})}));
  const NodeId metadata = document.make_dict();
  document.insert(metadata, "param_metadata", document.make_list({group}));
  document.insert(metadata, "buffer_names", texts({"layer.mean"}));
  document.insert(document.root, "shard_metadata", metadata);
  return file;
}

TEST(Join, FlatParametersByTheirMetadata) {
  auto tensors = by_name(join_flat_parameters({flat_shard({1, 2, 3}, 0), flat_shard({4, 5, 0}, 1)}));
  EXPECT_EQ(tensors["layer.weight"].sizes, (Shape{2, 2}));
  EXPECT_THAT(numbers(tensors["layer.weight"]), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(numbers(tensors["layer.bias"]), ElementsAre(5));
  EXPECT_THAT(numbers(tensors["layer.mean"]), ElementsAre(9));
  EXPECT_THAT(numbers(tensors["layer.tied"]), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(message_of([] {
                join_flat_parameters({flat_shard({1, 2, 3}, 0), flat_shard({4, 5, 0}, 0)});
              }),
              HasSubstr("has 6 values, its parameters 5"));
  EXPECT_THAT(message_of([] { join_flat_parameters({flat_shard({1, 2, 3}, 0)}); }), HasSubstr("part"));
  EXPECT_THAT(message_of([] {
                join_flat_parameters({part({{"w", from_values({1}, {1})}})});
              }),
              HasSubstr("shard_metadata"));
}

}  // namespace
}  // namespace bevgrad
