// Files that PyTorch, NumPy, safetensors and h5py wrote (tests/golden/formats/make.py), read and converted.
#include <gtest/gtest.h>

#include "files.h"
#include "formats/convert/convert.h"
#include "safetensors/internal/json.h"
#include "support/paths.h"

namespace bevgrad {
namespace {

using namespace testing;

struct Expected {
  std::string name;
  std::string dtype;
  Shape sizes;
  std::string hex;
};

std::vector<std::pair<std::string, std::vector<Expected>>> expectations() {
  const std::string path = golden("expected.json");
  const std::string text = read_bytes(path);
  const Json json = parse_json(text, path);
  std::vector<std::pair<std::string, std::vector<Expected>>> out;
  for (size_t i = 0; i < json.names.size(); ++i) {
    std::vector<Expected> list;
    for (const Json& tensor : json.items[i].items) {
      Expected one{tensor.find("name")->text, tensor.find("dtype")->text, {}, tensor.find("hex")->text};
      for (const Json& size : tensor.find("shape")->items) one.sizes.push_back(static_cast<int64_t>(size.integer));
      list.push_back(std::move(one));
    }
    out.emplace_back(json.names[i], std::move(list));
  }
  return out;
}

void expect_tensors(const std::string& path, const std::vector<Expected>& expected) {
  const CheckpointFile file = open_checkpoint(path);
  const auto tensors = all_tensors(*file.document);
  ASSERT_EQ(tensors.size(), expected.size()) << path;
  for (size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_EQ(tensors[i].name, expected[i].name) << path;
    EXPECT_EQ(name(tensors[i].tensor.dtype), expected[i].dtype) << path << " " << expected[i].name;
    EXPECT_EQ(tensors[i].tensor.sizes, expected[i].sizes) << path << " " << expected[i].name;
    EXPECT_EQ(hex_of(tensors[i].tensor), expected[i].hex) << path << " " << expected[i].name;
  }
}

TEST(GoldenFiles, HoldWhatTheirWritersLoad) {
  const auto all = expectations();
  ASSERT_GE(all.size(), 20u);
  for (const auto& [file, tensors] : all) expect_tensors(golden(file), tensors);
}

TEST(GoldenFiles, KeepEverythingOnTheWayToHdf5AndBack) {
  for (const auto& [file, tensors] : expectations()) {
    if (tensors.empty()) continue;
    const std::string h5 = scratch("way.h5");
    const std::string back = scratch("back.ckpt");
    convert_checkpoint(open_checkpoint(golden(file)), h5, {});
    expect_tensors(h5, tensors);
    convert_checkpoint(open_checkpoint(h5), back, {});
    expect_tensors(back, tensors);
  }
}

TEST(GoldenFiles, KeepMetadataAsAStructure) {
  const std::string h5 = scratch("lightning.h5");
  const std::string back = scratch("lightning.ckpt");
  convert_checkpoint(open_checkpoint(golden("zip_lightning.ckpt")), h5, {});
  convert_checkpoint(open_checkpoint(h5), back, {});
  for (const std::string& path : {golden("zip_lightning.ckpt"), golden("zip_protocol4.pt"), h5, back}) {
    const Value root = open_checkpoint(path).root();
    EXPECT_EQ(root.at("epoch").as_int(), 3) << path;
    EXPECT_EQ(root.at("loops").at("fit_loop").at("epoch_progress").at("total").at("ready").as_int(), 4);
    const Value group = root.at("optimizer_states").at(0).at("param_groups").at(0);
    EXPECT_EQ(group.at("lr").as_double(), 1e-3);
    EXPECT_EQ(group.at("betas").kind(), ValueKind::Tuple);
    EXPECT_EQ(group.at("betas").as_doubles(2), (std::vector<double>{0.9, 0.999}));
    EXPECT_EQ(group.at("params").as_doubles(), (std::vector<double>{0, 1}));
    const Value hyper = root.at("hyper_parameters");
    EXPECT_EQ(hyper.at("name").as_string(), "réseau");
    EXPECT_TRUE(hyper.at("drop").is_none());
    EXPECT_TRUE(hyper.at("amp").as_bool());
    EXPECT_EQ(hyper.at("big").kind(), ValueKind::BigInt);
    EXPECT_EQ(root.at("lr_schedulers").size(), 0u);
    EXPECT_EQ(root.at("optimizer_states").at(0).at("state").entries().at(0).first.as_int(), 0);
  }
}

TEST(GoldenFiles, PlainPicklesOfEveryProtocolGiveTheSameValues) {
  for (int protocol = 0; protocol <= 5; ++protocol) {
    const Value root = open_checkpoint(golden(fmt::format("plain_protocol{}.pkl", protocol))).root();
    EXPECT_EQ(root.at("f8").as_double(), 1.25) << protocol;
    EXPECT_EQ(root.at("i4").as_int(), -7);
    EXPECT_TRUE(root.at("flag").as_bool());
    EXPECT_EQ(root.at("array").as_doubles(6), (std::vector<double>{0, 1, 2, 3, 4, 5}));
    EXPECT_EQ(root.at("fortran").as_doubles(6), (std::vector<double>{0, 1, 2, 3, 4, 5}));
    EXPECT_EQ(root.at("big").as_doubles(2), (std::vector<double>{1.5, -2.5}));
    EXPECT_EQ(root.at("bytes").as_bytes(), std::string("\0\xff", 2));
    EXPECT_EQ(root.at("text").as_string(), "naïve €");
    EXPECT_EQ(root.at("mapping").at("a").at(0).as_int(), 1);
    EXPECT_EQ(root.at("set").at(0).as_int(), 3);
    EXPECT_EQ(root.at("frozen").at(0).as_int(), 4);
    EXPECT_EQ(root.at("tuple").at(1).as_double(), 2.5);
    EXPECT_EQ(root.at("u8").kind(), ValueKind::BigInt);
  }
}

TEST(GoldenFiles, KeepSharing) {
  const std::string h5 = scratch("shared.h5");
  const std::string back = scratch("shared.pt");
  convert_checkpoint(open_checkpoint(golden("zip_views.pt")), h5, {});
  convert_checkpoint(open_checkpoint(h5), back, {});
  for (const std::string& path : {golden("zip_views.pt"), golden("legacy_views.pt"), back}) {
    std::map<std::string, const void*> storage;
    std::map<std::string, StoredTensor> tensors;
    for (const NamedTensor& tensor : named_tensors(open_checkpoint(path))) {
      storage[tensor.name] = identity(*tensor.tensor.storage);
      tensors[tensor.name] = tensor.tensor;
    }
    EXPECT_EQ(storage["base"], storage["tied"]) << path;
    EXPECT_EQ(storage["base"], storage["transposed"]) << path;
    EXPECT_EQ(storage["base"], storage["tail"]) << path;
    EXPECT_NE(storage["base"], storage["scalar"]) << path;
    EXPECT_EQ(tensors["tail"].offset, 20) << path;
    EXPECT_EQ(tensors["transposed"].strides, (Shape{1, 6})) << path;
    EXPECT_TRUE(tensors["parameter"].is_parameter) << path;
  }
}

TEST(GoldenFiles, CountTensorsWithoutAStateDict) {
  const ConvertReport report = convert_checkpoint(open_checkpoint(golden("zip_tensor.pt")), scratch("one.h5"), {});
  EXPECT_EQ(report.tensors, 1u);
  EXPECT_GT(report.bytes, 0u);
}

TEST(GoldenFiles, EnginesTensorsAreTheValues) {
  const LoadedStateDict loaded = load_state_dict(golden("zip_lightning.ckpt"));
  EXPECT_EQ(loaded.stripped_prefix, "model.");
  ASSERT_EQ(loaded.tensors.size(), 2u);
  EXPECT_EQ(loaded.tensors[0].first, "fc.weight");
  EXPECT_EQ(loaded.tensors[0].second.to_vector(), (std::vector<double>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(loaded.metadata.at("global_step").as_int(), 1200);
  const std::string message = message_of([] { load_state_dict(golden("zip_dtypes.pt")); });
  EXPECT_NE(message.find("float8_e4m3fn"), std::string::npos) << message;
}

/// Third-party files of the folder that a checkout may have beside it.
TEST(SharedFiles, AllAreRead) {
  const std::filesystem::path folder = std::filesystem::path(testing::source_dir()) / "../shared/data/checkpoints";
  if (!std::filesystem::is_directory(folder)) GTEST_SKIP() << "SKIPPED: " << folder << " is not there";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string path = entry.path().string();
    if (entry.path().filename() == "broken.pt") {
      EXPECT_NE(message_of([&] { open_checkpoint(path); }).find("broken.pt"), std::string::npos);
      continue;
    }
    for (const NamedTensor& tensor : named_tensors(open_checkpoint(path))) hex_of(tensor.tensor);
  }
}

}  // namespace
}  // namespace bevgrad
