// Checkpoints that are several files (tests/golden/formats/make_structures.py), and formats that are read only.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>
#include <filesystem>
#include <numeric>

#include "files.h"
#include "formats/convert/compare.h"
#include "formats/convert/convert.h"
#include "formats/convert/folder.h"
#include "formats/safetensors/file.h"
#include "internal/zip/writer.h"
#include "sharded/internal/joined_storage.h"
#include "sharded/internal/write_shards.h"

namespace bevgrad {
namespace {

using namespace testing;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

namespace fs = std::filesystem;

std::vector<float> floats_of(const StoredTensor& tensor) {
  std::vector<float> out(static_cast<size_t>(tensor.numel()));
  if (!out.empty()) ValueReader(tensor).read(std::as_writable_bytes(std::span(out)));
  return out;
}

/// start, start + 1, ...
std::vector<float> counted(size_t count, float start) {
  std::vector<float> out(count);
  std::iota(out.begin(), out.end(), start);
  return out;
}

std::map<std::string, StoredTensor> by_name(const std::string& path) {
  std::map<std::string, StoredTensor> out;
  for (const NamedTensor& tensor : all_tensors(*open_checkpoint(path).document)) out[tensor.name] = tensor.tensor;
  return out;
}

/// A copy of a golden folder that may be spoiled.
std::string copied(const std::string& folder) {
  const std::string out = scratch(folder);
  fs::copy(golden(folder), out, fs::copy_options::recursive);
  return out;
}

TEST(Distributed, IsPutTogetherFromItsChunks) {
  const std::string folder = golden("distributed");
  const std::string single = scratch("distributed.pt");
  const ConvertReport report = convert_checkpoint(open_checkpoint(folder), single, {});
  EXPECT_EQ(report.tensors, 5u);
  for (const std::string& path : {folder, folder + "/.metadata", single}) {
    auto tensors = by_name(path);
    EXPECT_EQ(floats_of(tensors["model.rows"]), counted(21, 0)) << path;
    EXPECT_EQ(tensors["model.rows"].sizes, (Shape{7, 3}));
    EXPECT_EQ(floats_of(tensors["model.columns"]), counted(24, 100)) << path;
    EXPECT_EQ(floats_of(tensors["model.middle"]), counted(30, 200)) << path;
    EXPECT_EQ(floats_of(tensors["model.same"]), counted(3, 300)) << path;
    EXPECT_EQ(tensors["model.turned"].sizes, (Shape{4, 3}));
    EXPECT_EQ(floats_of(tensors["model.turned"])[1], 404) << path;
    const Value root = open_checkpoint(path).root();
    EXPECT_EQ(root.at("epoch").as_int(), 3);
    EXPECT_EQ(root.at("optimizer").at("param_groups").at(1).at("lr").as_double(), 0.2) << path;
  }
}

TEST(Distributed, BrokenFoldersAreOneError) {
  const std::string folder = copied("distributed");
  std::string part;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".distcp") part = entry.path().string();
  }
  EXPECT_THAT(message_of([&] { open_checkpoint(part); }), HasSubstr("give its folder"));
  const std::string metadata = read_bytes(folder + "/.metadata");
  fs::remove(part);
  EXPECT_THAT(message_of([&] { open_checkpoint(folder); }), HasSubstr(fs::path(part).filename().string()));
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = metadata;
    for (size_t at = changed.find(from); at != std::string::npos; at = changed.find(from, at + to.size())) {
      changed.replace(at, from.size(), to);
    }
    std::ofstream(folder + "/.metadata", std::ios::binary) << changed;
    return message_of([&] { open_checkpoint(folder); });
  };
  EXPECT_THAT(with("__0_0.distcp", "../../../etc"), HasSubstr("leads out"));
  EXPECT_THAT(with("TensorStorageMetadata", "TensorStorageMetadatX"), HasSubstr("not known"));
  EXPECT_THAT(with("storage_data", "storage_datX"), HasSubstr("without storage_data"));
}

TEST(Zero, IsJoinedToFloat32Weights) {
  for (const char* folder : {"zero2", "zero3"}) {
    auto tensors = by_name(golden(folder));
    EXPECT_EQ(tensors.size(), 5u);
    EXPECT_EQ(floats_of(tensors["a.weight"]), counted(9, 0)) << folder;
    EXPECT_EQ(tensors["a.weight"].sizes, (Shape{3, 3}));
    EXPECT_EQ(floats_of(tensors["a.bias"]), counted(3, 100)) << folder;
    EXPECT_EQ(floats_of(tensors["b.weight"]), counted(5, 200)) << folder;
    EXPECT_EQ(floats_of(tensors["counter"]), (std::vector<float>{9})) << folder;
    EXPECT_EQ(floats_of(tensors["tied.weight"]), counted(9, 0)) << folder;
    EXPECT_EQ(identity(*tensors["tied.weight"].storage), identity(*tensors["a.weight"].storage)) << folder;
    const std::string out = scratch("zero.safetensors");
    EXPECT_THAT(convert_checkpoint(open_checkpoint(golden(folder)), out, {}).notes, Contains(HasSubstr("not read")));
    EXPECT_EQ(floats_of(by_name(out)["b.weight"]), counted(5, 200));
  }
}

TEST(Zero, AMissingRankIsNamed) {
  const std::string folder = copied("zero2");
  fs::remove(folder + "/bf16_zero_pp_rank_1_mp_rank_00_optim_states.pt");
  EXPECT_THAT(message_of([&] { open_checkpoint(folder); }), HasSubstr("saved by 2 ranks, but files of 1"));
  fs::remove(folder + "/mp_rank_00_model_states.pt");
  EXPECT_THAT(message_of([&] { open_checkpoint(folder); }), HasSubstr("no file of model states"));
}

StateDict several() {
  StateDict out;
  for (int i = 0; i < 5; ++i) out.emplace_back(fmt::format("w{}", i), full({10}, i));
  return out;
}

CheckpointFile in_memory(const StateDict& tensors) {
  CheckpointFile file{
      .path = "memory", .format = FileFormat::TorchZip, .document = std::make_shared<Document>("memory")};
  Document& document = *file.document;
  document.root = document.make_dict();
  for (const auto& [name, tensor] : tensors) document.insert(document.root, name, document.make_tensor(tensor));
  return file;
}

TEST(Shards, AreWrittenAndReadWithTheirIndex) {
  for (const char* name : {"model.safetensors", "pytorch_model.bin"}) {
    const std::string folder = scratch("shards");
    fs::create_directories(folder);
    const std::string out = folder + "/" + name;
    const ConvertReport report = convert_checkpoint(in_memory(several()), out, {.max_shard = 90});
    EXPECT_EQ(report.files.size(), 4u) << "three shards of two tensors at most, and the index";
    EXPECT_FALSE(fs::exists(out));
    const std::string index = out + ".index.json";
    for (const std::string& path : {index, folder}) {
      const CheckpointFile file = open_checkpoint(path);
      EXPECT_EQ(file.format, FileFormat::Shards);
      EXPECT_EQ(Value(file.document, file.document->metadata).at("total_size").as_int(), 200);
      EXPECT_TRUE(compare_checkpoints(in_memory(several()), file, {.only_tensors = true}).same());
    }
    const fs::path whole(out);
    const std::string second =
        fmt::format("{}/{}-00002-of-00003{}", folder, whole.stem().string(), whole.extension().string());
    EXPECT_TRUE(fs::exists(second));
    fs::remove(second);
    EXPECT_THAT(message_of([&] { open_checkpoint(index); }), HasSubstr("-00002-of-00003"));
  }
  EXPECT_EQ(convert_checkpoint(in_memory(several()), scratch("one.safetensors"), {.max_shard = 1000}).files.size(), 1u);
  EXPECT_THROW(convert_checkpoint(in_memory(several()), scratch("one.h5"), {.max_shard = 1000}), UsageError);
}

TEST(Shards, TensorsOfOneStorageStayTogether) {
  const Tensor tied = full({10}, 1);
  std::vector<NamedTensor> tensors{
      {"a", stored_tensor(tied)}, {"b", stored_tensor(full({10}, 2))}, {"c", stored_tensor(tied)}};
  EXPECT_THAT(plan_shards(tensors, 50), ElementsAre(ElementsAre(0u, 2u), ElementsAre(1u)));
}

TEST(Shards, AnIndexThatLeadsOutIsRefused) {
  const auto error = [](const std::string& json) {
    const std::string path = write_bytes("model.safetensors.index.json", json);
    return message_of([&] { open_checkpoint(path); });
  };
  EXPECT_THAT(error(R"({"weight_map":{"a":"../../etc/passwd"}})"), HasSubstr("leads out"));
  EXPECT_THAT(error(R"({"weight_map":{"a":"model.safetensors.index.json"}})"), HasSubstr("another index"));
  EXPECT_THAT(error(R"({"metadata":{"total_size":1.5e10,"x":-1}})"), HasSubstr("no index of shards"));
  EXPECT_THAT(error(R"({"weight_map":{"a":"missing.safetensors"}})"), HasSubstr("missing.safetensors"));
  EXPECT_THAT(error(R"({"weight_map":{"a":"x","a":"y"}})"), HasSubstr("twice"));
  const std::string pipe = std::filesystem::path(write_bytes("beside", "")).replace_filename("pipe.safetensors");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(error(R"({"weight_map":{"a":"pipe.safetensors"}})"), HasSubstr("not a regular file"));
  std::filesystem::remove(pipe);
}

TEST(Folders, AreLookedThroughAndSayWhatIsNoCheckpoint) {
  const std::string folder = scratch("many");
  fs::create_directories(folder + "/deep/er");
  convert_checkpoint(in_memory(several()), folder + "/deep/er/w.pt", {});
  convert_checkpoint(in_memory(several()), folder + "/model.safetensors", {.max_shard = 90});
  fs::create_symlink("deep/er/w.pt", folder + "/link.pt");
  std::ofstream(folder + "/config.json") << "{}";
  std::ofstream(folder + "/README.md") << "# Words\n";
  std::ofstream(folder + "/broken.ckpt")
      << "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 438000000\n";
  const std::string out = scratch("many_out");
  const auto results = convert_folder(folder, out, {}, [](const FolderResult&) {});
  std::vector<std::string> written;
  std::vector<std::string> skipped;
  std::vector<std::string> failed;
  for (const FolderResult& result : results) {
    const std::string from = fs::path(result.from).lexically_relative(folder).string();
    (result.skipped ? skipped : result.error.empty() ? written : failed).push_back(from);
  }
  EXPECT_THAT(written, UnorderedElementsAre("deep/er/w.pt", "link.pt", "model.safetensors.index.json"));
  EXPECT_THAT(skipped, UnorderedElementsAre("config.json", "README.md"));
  EXPECT_THAT(failed, ElementsAre("broken.ckpt"));
  EXPECT_TRUE(fs::exists(out + "/deep/er/w.h5"));
  EXPECT_TRUE(fs::exists(out + "/model.h5"));
  for (const FolderResult& result : convert_folder(folder, out, {}, [](const FolderResult&) {})) {
    if (!result.skipped) {
      EXPECT_FALSE(result.error.empty()) << "what is there is kept";
    }
  }
}

TEST(Npz, ArraysByName) {
  auto tensors = by_name(golden("arrays.npz"));
  EXPECT_EQ(floats_of(tensors["a"]), counted(6, 0));
  EXPECT_EQ(tensors["fortran"].strides, (Shape{1, 2}));
  EXPECT_EQ(hex_of(tensors["fortran"]).substr(16, 16), "0100000000000000");
  EXPECT_EQ(to_tensor(tensors["big"], "big").to_vector(), (std::vector<double>{1.5, -2.5}));
  EXPECT_EQ(hex_of(tensors["scalar"]), "0700");
  const CheckpointFile file = open_checkpoint(golden("arrays.npz"));
  EXPECT_EQ(file.format, FileFormat::Npz);
  EXPECT_THAT(file.document->left_out, ElementsAre(HasSubstr("'objects' (Python objects)")));
  EXPECT_EQ(floats_of(by_name(golden("arrays_compressed.npz"))["a"]), counted(6, 0));
}

std::string little(uint64_t value, size_t bytes) {
  std::string out;
  for (size_t i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}
std::string gguf_text(const std::string& text) {
  return little(text.size(), 8) + text;
}
/// A GGUF file of one float tensor [2,3] and a quantized one.
std::string gguf(uint64_t offset = 0, uint64_t size = 3) {
  std::string head = "GGUF" + little(3, 4) + little(2, 8) + little(2, 8);
  head += gguf_text("general.name") + little(8, 4) + gguf_text("tiny");
  head += gguf_text("list") + little(9, 4) + little(4, 4) + little(2, 8) + little(7, 4) + little(8, 4);
  head += gguf_text("w") + little(2, 4) + little(size, 8) + little(2, 8) + little(0, 4) + little(offset, 8);
  head += gguf_text("q") + little(1, 4) + little(32, 8) + little(2, 4) + little(32, 8);
  head.resize((head.size() + 31) / 32 * 32, '\0');
  const std::vector<float> values = counted(6, 0);
  return head + std::string(reinterpret_cast<const char*>(values.data()), 24) + std::string(40, '\0');
}

TEST(Gguf, PlainTensorsAndMetadata) {
  const std::string path = write_bytes("tiny.gguf", gguf());
  const CheckpointFile file = open_checkpoint(path);
  EXPECT_EQ(file.format, FileFormat::Gguf);
  auto tensors = by_name(path);
  EXPECT_EQ(tensors["w"].sizes, (Shape{2, 3}));
  EXPECT_EQ(floats_of(tensors["w"]), counted(6, 0));
  const Value metadata(file.document, file.document->metadata);
  EXPECT_EQ(metadata.at("general.name").as_string(), "tiny");
  EXPECT_EQ(metadata.at("list").at(1).as_int(), 8);
  EXPECT_EQ(tensors["q"].sizes, (Shape{32}));
  EXPECT_THAT(file.document->left_out, ElementsAre(HasSubstr("the codes of 1 tensors of Q4_0")));
  EXPECT_THAT(message_of([] { open_checkpoint(write_bytes("far.gguf", gguf(1 << 20))); }), HasSubstr("leave the file"));
  EXPECT_THAT(message_of([] { open_checkpoint(write_bytes("two.gguf", gguf(32))); }), HasSubstr("'w' and 'q' overlap"));
  EXPECT_THAT(message_of([] { open_checkpoint(write_bytes("big.gguf", gguf(0, uint64_t{1} << 62))); }),
              HasSubstr("overflow"));
  for (size_t cut = 4; cut < gguf().size() - 64; cut += 3) {
    EXPECT_THAT(message_of([&] { open_checkpoint(write_bytes("cut.gguf", gguf().substr(0, cut))); }),
                HasSubstr("cut.gguf"));
  }
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

TEST(Onnx, Initialisers) {
  const std::vector<float> values = counted(6, 0);
  const std::string raw(reinterpret_cast<const char*>(values.data()), 24);
  const std::string in_raw = field(1, 2) + field(1, 3) + field(2, 1) + field(8, std::string("raw")) + field(9, raw);
  const std::string in_list =
      field(1, varint(2) + varint(3)) + field(2, 1) + field(8, std::string("list")) + field(4, raw);
  const std::string longs =
      field(1, 2) + field(2, 7) + field(8, std::string("longs")) + field(7, varint(1) + varint(uint64_t(-2)));
  const std::string texts = field(1, 1) + field(2, 8) + field(8, std::string("texts")) + field(6, std::string("x"));
  const std::string outside = field(1, 1) + field(2, 1) + field(8, std::string("outside")) + field(14, 1);
  const std::string graph = field(2, std::string("graph")) + field(5, in_raw) + field(5, in_list) + field(5, longs) +
                            field(5, texts) + field(5, outside);
  const std::string model = field(1, 8) + field(2, std::string("maker")) + field(7, graph);
  const std::string path = write_bytes("model.onnx", model);
  const CheckpointFile file = open_checkpoint(path);
  EXPECT_EQ(file.format, FileFormat::Onnx);
  auto tensors = by_name(path);
  EXPECT_EQ(floats_of(tensors["raw"]), values);
  EXPECT_EQ(floats_of(tensors["list"]), values);
  EXPECT_EQ(to_tensor(tensors["longs"], "longs").to_vector(), (std::vector<double>{1, -2}));
  EXPECT_EQ(file.document->left_out.size(), 2u);
  const std::string lie =
      field(1, 8) + field(7, field(5, field(1, 99) + field(2, 1) + field(8, std::string("raw")) + field(9, raw)));
  EXPECT_THAT(message_of([&] { open_checkpoint(write_bytes("lie.onnx", lie)); }), HasSubstr("needs 396 bytes"));
}

TEST(Onnx, ValuesBesideTheModelAndWhatIsNoInitialiser) {
  const std::vector<float> values = counted(6, 0);
  write_bytes("weights.data", "12345678" + std::string(reinterpret_cast<const char*>(values.data()), 24));
  const auto entry = [](const std::string& key, const std::string& value) {
    return field(13, field(1, key) + field(2, value));
  };
  const auto tensor = [&](const std::string& name, const std::string& location, const std::string& length) {
    return field(5, field(1, 6) + field(2, 1) + field(8, name) + entry("location", location) + entry("offset", "8") +
                        entry("length", length) + field(14, 1));
  };
  const auto model = [&](const std::string& graph) {
    return write_bytes("beside.onnx", field(1, 8) + field(2, std::string("maker")) + field(7, graph));
  };
  const std::string constant = field(1, 1) + field(2, 1) + field(4, std::string(4, 'x'));
  const std::string inner = field(5, constant) + field(1, field(5, field(5, constant)));
  const std::string path =
      model(tensor("w", "weights.data", "24") + tensor("out", "../weights.data", "24") +
            tensor("gone", "gone.data", "24") + field(15, field(1, field(8, std::string("sparse")))) +
            field(1, field(5, field(5, constant)) + field(5, field(6, inner))));
  EXPECT_EQ(floats_of(by_name(path)["w"]), values);
  EXPECT_THAT(open_checkpoint(path).document->left_out,
              ElementsAre(HasSubstr("'out' (its values lie in another file"), HasSubstr("'gone'"),
                          HasSubstr("sparse initialiser 'sparse'"), HasSubstr("2 tensors in attributes of nodes"),
                          HasSubstr("1 tensors of inner graphs")));
  const std::string longer = model(tensor("w", "weights.data", "28"));
  EXPECT_THAT(message_of([&] { open_checkpoint(longer); }), HasSubstr("its sizes need 24"));
}

TEST(ForeignFiles, AreNamedForWhatTheyAre) {
  const auto error = [](const std::string& name, const std::string& bytes) {
    return message_of([&] { open_checkpoint(write_bytes(name, bytes)); });
  };
  EXPECT_THAT(error("a.pt", "version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 438000000\n"),
              HasSubstr("a Git LFS pointer, not the file itself, which has 438000000 bytes (438.0 MB)"));
  EXPECT_THAT(error("a.pt", "\n<!DOCTYPE html><html>"), HasSubstr("web page"));
  EXPECT_THAT(error("a.pt", "<?xml version=\"1.0\"?><Error>"), HasSubstr("web page or XML"));
  EXPECT_THAT(error("a.pt", std::string("\x1f\x8b\x08\0\0", 5)), HasSubstr("gunzip"));
  EXPECT_THAT(error("a.pt", std::string(64, '\0')), HasSubstr("zeros only"));
  EXPECT_THAT(error("a.npy", "\x93NUMPY\x01"), HasSubstr("7 bytes are too short for an array"));
  const std::string safetensors = read_bytes(golden("plain.safetensors"));
  EXPECT_THAT(error("a.safetensors", safetensors.substr(0, 40)), HasSubstr("cut short within its header"));
  EXPECT_THAT(error("a.safetensors", safetensors.substr(0, safetensors.size() - 1)), HasSubstr("cut short"));
  const std::string zip = read_bytes(golden("zip_tensor.pt"));
  EXPECT_THAT(error("a.pt", zip.substr(0, zip.size() / 2)), HasSubstr("cut short"));
  const std::string keras = scratch("model.keras");
  ZipWriter archive(keras);
  archive.add("config.json", "{}");
  archive.add("model.weights.h5", "\x89HDF");
  archive.finish();
  EXPECT_THAT(message_of([&] { open_checkpoint(keras); }), HasSubstr("a Keras archive"));
}

TEST(JoinedStorages, ChunksMustCoverTheWholeOnce) {
  const auto chunk = [](const Shape& sizes, const Shape& offsets) {
    return Chunk{stored_tensor(ones(sizes)), offsets};
  };
  const auto error = [&](std::vector<Chunk> chunks) {
    return message_of([&] { chunked_tensor("x", StoredDType::Float32, {4, 2}, std::move(chunks)); });
  };
  EXPECT_THAT(error({chunk({2, 2}, {0, 0})}), HasSubstr("4 values of 8"));
  EXPECT_THAT(error({chunk({2, 2}, {0, 0}), chunk({2, 2}, {1, 0})}), HasSubstr("overlap"));
  EXPECT_THAT(error({chunk({2, 2}, {3, 0})}), HasSubstr("does not fit"));
  EXPECT_THAT(error({chunk({2, 2}, {-1, 0})}), HasSubstr("does not fit"));
  EXPECT_THAT(error({chunk({2}, {0})}), HasSubstr("does not fit"));
}

TEST(Distributed, PartsInSafetensors) {
  const std::string folder = scratch("hf_distributed");
  std::filesystem::create_directories(folder);
  const auto part = [&](int number, const std::vector<NamedTensor>& tensors, const std::string& info) {
    const std::string path = fmt::format("{}/shard-0000{}-model-00001-of-00001.safetensors", folder, number);
    write_safetensors(path, tensors, {{"DCP_SHARDING_INFO", info}, {"DCP_VERSION", "1.0"}, {"format", "pt"}});
    return path;
  };
  const auto values = [](const std::vector<double>& numbers, const Shape& sizes) {
    return stored_tensor(from_values(numbers, sizes));
  };
  part(1, {{"a", values({1, 2, 3, 4}, {2, 2})}, {"b", values({1, 2, 5, 6}, {2, 2})}},
       R"({"a": {"saved_offsets": [0, 0]}, "b": {"saved_offsets": [0, 0]}})");
  const std::string second = part(2, {{"a", values({5, 6}, {1, 2})}, {"b", values({3, 4, 7, 8}, {2, 2})}},
                                  R"({"a": {"saved_offsets": [2, 0]}, "b": {"saved_offsets": [0, 2]}})");
  const auto tensors = named_tensors(open_checkpoint(folder));
  ASSERT_EQ(tensors.size(), 2u);
  EXPECT_EQ(tensors[0].tensor.sizes, (Shape{3, 2}));
  EXPECT_EQ(hex_of(tensors[0].tensor), hex_of(values({1, 2, 3, 4, 5, 6}, {3, 2})));
  EXPECT_EQ(hex_of(tensors[1].tensor), hex_of(values({1, 2, 3, 4, 5, 6, 7, 8}, {2, 4})));
  EXPECT_THAT(open_checkpoint(second).document->left_out, ::testing::ElementsAre(HasSubstr("other ranks' parts")));
  std::filesystem::rename(second, folder + "/other.safetensors");
  part(3, {{"a", values({7, 8}, {1, 2})}}, R"({"a": {"saved_offsets": [3, 0]}})");
  EXPECT_THAT(message_of([&] { open_checkpoint(folder); }), HasSubstr("its chunks have"));
}

}  // namespace
}  // namespace bevgrad
