// Structures that checkpoints have (tests/golden/formats/make_structures.py): circles, objects as keys, values that are
// no tensors. What is written opens, and says exactly what was left out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "files.h"
#include "formats/convert/compare.h"
#include "formats/convert/convert.h"
#include "formats/convert/inspect.h"
#include "formats/hdf5/tensor_file.h"

namespace bevgrad {
namespace {

using namespace testing;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string structure(const std::string& name) {
  return golden("structure_" + name);
}

ConvertReport converted(const std::string& from, const std::string& to) {
  return convert_checkpoint(open_checkpoint(from), to, {});
}

TEST(Structures, OmegaConfIsWhatItHolds) {
  const std::string h5 = scratch("omega.h5");
  const std::string back = scratch("omega.ckpt");
  converted(structure("omegaconf.ckpt"), h5);
  converted(h5, back);
  for (const std::string& path : {structure("omegaconf.ckpt"), h5, back}) {
    const Value hyper = open_checkpoint(path).root().at("hyper_parameters");
    EXPECT_EQ(hyper.kind(), ValueKind::Dict) << path;
    EXPECT_EQ(hyper.at("lr").as_double(), 1e-3);
    EXPECT_EQ(hyper.at("name").as_string(), "net");
    EXPECT_EQ(hyper.at("layers").at(1).as_int(), 2);
    EXPECT_TRUE(hyper.at("deep").at("on").as_bool());
    EXPECT_TRUE(hyper.at("deep").at("no").is_none());
  }
  EXPECT_EQ(inspect_globals(structure("omegaconf.ckpt")).verdict, Verdict::Harmless);
}

TEST(Structures, CirclesAreShownAndKept) {
  const std::string path = structure("circles.pt");
  const std::string text = inspect_checkpoint(open_checkpoint(path), {});
  EXPECT_THAT(text, HasSubstr("a reference back to list"));
  EXPECT_THAT(text, HasSubstr("a reference back to objects"));
  EXPECT_THAT(inspect_checkpoint(open_checkpoint(path), {.json = true}), HasSubstr("a reference back"));
  const std::string h5 = scratch("circles.h5");
  const std::string back = scratch("circles.pt");
  const std::string direct = scratch("direct.pt");
  converted(path, h5);
  converted(path, direct);
  converted(h5, back);
  EXPECT_TRUE(compare_checkpoints(open_checkpoint(path), open_checkpoint(h5), {}).same());
  for (const std::string& file : {h5, back, direct}) {
    const CheckpointFile opened = open_checkpoint(file);
    const Value list = opened.root().at("list");
    EXPECT_EQ(list.at(1).id(), list.id()) << file;
    const Value tuple = opened.root().at("tuple");
    EXPECT_EQ(tuple.at(0).at(0).id(), tuple.id()) << file;
    EXPECT_EQ(opened.root().at("first").id(), opened.root().at("second").id()) << file;
  }
  EXPECT_THAT(converted(path, scratch("circles.safetensors")).notes,
              ElementsAre(HasSubstr("left out: state_dict._metadata, objects, list, tuple, first, second")));
}

TEST(Structures, KeysThatAreObjectsBecomeTextsInPyTorchsFiles) {
  const std::string out = scratch("keys.pt");
  const std::string h5 = scratch("keys.h5");
  EXPECT_THAT(converted(structure("keys.pt"), out).notes, Contains(HasSubstr("4 keys and elements of sets")));
  converted(structure("keys.pt"), h5);
  EXPECT_TRUE(compare_checkpoints(open_checkpoint(structure("keys.pt")), open_checkpoint(h5), {}).same());
  const Value root = open_checkpoint(out).root();
  EXPECT_EQ(root.at("enum").at("__main__.Mode('train')").as_int(), 1);
  EXPECT_EQ(root.at("date").at("datetime.date(2024, 1, 2)").as_int(), 2);
  EXPECT_EQ(root.at("frozen").at("frozenset({1})").as_int(), 3);
  EXPECT_EQ(root.at("tuple").entries()[0].first.kind(), ValueKind::Tuple);
  EXPECT_EQ(root.at("set").at(0).as_string(), "__main__.Mode('train')");
  EXPECT_EQ(root.at("mixed").size(), 3u);
}

TEST(Structures, TensorsUnderAnyKeyHaveANameEach) {
  const auto tensors = named_tensors(open_checkpoint(structure("names.pt")));
  std::vector<std::string> names;
  for (const NamedTensor& tensor : tensors) names.push_back(tensor.name);
  EXPECT_THAT(names, ElementsAre("('a', 1)", "None", "True", "x.y", "x.y#2"));
  for (const char* target : {"names.pt", "names.h5", "names.safetensors"}) {
    const std::string out = scratch(target);
    EXPECT_EQ(converted(structure("names.pt"), out).tensors, 5u) << target;
    EXPECT_EQ(all_tensors(*open_checkpoint(out).document).size(), 5u) << target;
  }
}

TEST(Structures, PlainValuesStayWhatTheyAre) {
  const std::string h5 = scratch("plain.h5");
  const std::string back = scratch("plain.pt");
  converted(structure("plain.pt"), h5);
  EXPECT_THAT(converted(h5, back).notes, IsEmpty());
  EXPECT_TRUE(compare_checkpoints(open_checkpoint(structure("plain.pt")), open_checkpoint(back), {}).same());
  for (const std::string& path : {structure("plain.pt"), h5, back}) {
    const CheckpointFile file = open_checkpoint(path);
    const Value root = file.root();
    EXPECT_EQ(root.at("complex").kind(), ValueKind::Complex) << path;
    EXPECT_EQ(file.document->node(root.at("complex").node().items[1]).real, -2) << path;
    EXPECT_EQ(root.at("bytes").as_bytes(), std::string("\0\xff", 2));
    EXPECT_FALSE(root.at("bytes").node().resolved);
    EXPECT_EQ(root.at("array").as_bytes(), "abc");
    EXPECT_TRUE(root.at("array").node().resolved);
    EXPECT_EQ(root.at("dtype").type_name(), "torch.qint8");
    EXPECT_TRUE(root.at("grad").as_stored_tensor().requires_grad);
    EXPECT_TRUE(std::isnan(root.at("nan").as_double()));
    EXPECT_EQ(root.at("huge").kind(), ValueKind::BigInt);
    EXPECT_EQ(root.at("whole").kind(), ValueKind::Float);
    EXPECT_EQ(root.at("floats").as_doubles()[299], 149.5);
    EXPECT_THAT(inspect_checkpoint(file, {}), AllOf(HasSubstr("whole: 1.0\n"), HasSubstr("complex: (1.0-2.0j)\n")));
  }
}

TEST(Structures, TensorsThatAreMadeOfPartsStayInPyTorchsFiles) {
  const std::string jagged = scratch("jagged.pt");
  const std::string out = scratch("sparse.pt");
  converted(structure("jagged.pt"), jagged);
  converted(structure("sparse.pt"), out);
  EXPECT_EQ(named_tensors(open_checkpoint(jagged)).size(), 1u);
  EXPECT_TRUE(compare_checkpoints(open_checkpoint(structure("sparse.pt")), open_checkpoint(out), {}).same());
  const Value root = open_checkpoint(out).root();
  EXPECT_EQ(root.at("coo").type_name(), "torch._utils._rebuild_sparse_tensor");
  EXPECT_EQ(root.at("quantized").type_name(), "torch._utils._rebuild_qtensor");
}

TEST(Structures, SharedStoragesComeBackAsTheyWere) {
  for (const char* name : {"shared.pt", "strided.pt"}) {
    const std::string h5 = scratch("shared.h5");
    const std::string back = scratch("shared.pt");
    converted(structure(name), h5);
    converted(h5, back);
    const auto before = all_tensors(*open_checkpoint(structure(name)).document);
    for (const std::string& path : {h5, back}) {
      const auto after = all_tensors(*open_checkpoint(path).document);
      ASSERT_EQ(after.size(), before.size());
      for (size_t i = 0; i < after.size(); ++i) {
        EXPECT_EQ(hex_of(after[i].tensor), hex_of(before[i].tensor)) << path << " " << after[i].name;
        EXPECT_EQ(after[i].tensor.strides, before[i].tensor.strides) << path << " " << after[i].name;
        EXPECT_EQ(identity(*after[i].tensor.storage) == identity(*after[0].tensor.storage),
                  identity(*before[i].tensor.storage) == identity(*before[0].tensor.storage));
      }
    }
  }
}

TEST(Structures, AForeignFilesAttributesAreKept) {
  const CheckpointFile file = open_checkpoint(structure("attributes.h5"));
  const Value metadata(file.document, file.document->metadata);
  EXPECT_EQ(metadata.at("cfg").as_string(), "{\"a\":1}");
  EXPECT_EQ(metadata.at("names").at(1).as_string(), "b");
  EXPECT_EQ(metadata.at("version").as_int(), 3);
  EXPECT_EQ(metadata.at("w@units").as_string(), "m");
  EXPECT_EQ(metadata.at("w@scale").as_doubles(2), (std::vector<double>{1.5, 2.5}));
  const std::string pt = scratch("attributes.pt");
  const std::string h5 = scratch("attributes.h5");
  EXPECT_THAT(convert_checkpoint(file, pt, {}).notes, IsEmpty());
  converted(pt, h5);
  for (const std::string& path : {pt, h5}) {
    const CheckpointFile back = open_checkpoint(path);
    EXPECT_EQ(back.root().size(), 2u) << path;
    EXPECT_EQ(back.root().at("colours").as_doubles(2), (std::vector<double>{2, 7})) << "an enumeration's numbers";
    EXPECT_EQ(Value(back.document, back.document->metadata).at("w@units").as_string(), "m") << path;
  }
  EXPECT_THAT(converted(pt, scratch("attributes.safetensors")).notes,
              Contains(HasSubstr("metadata names, metadata w@scale")));
}

TEST(Structures, MetadataOfSafetensorsIsNoParameter) {
  const std::string safetensors = scratch("meta.safetensors");
  const std::string pt = scratch("meta.pt");
  converted(structure("omegaconf.ckpt"), safetensors);
  converted(safetensors, pt);
  const CheckpointFile file = open_checkpoint(pt);
  EXPECT_EQ(named_tensors(file).size(), 2u);
  EXPECT_EQ(file.root().size(), 2u);
  EXPECT_FALSE(file.root().contains("__metadata__"));
  EXPECT_EQ(Value(file.document, file.document->metadata).at("epoch").as_string(), "1");
  // Where the file says nothing but its framework, nothing stays behind.
  const std::string again = scratch("again.pt");
  const std::string ours = scratch("ours.safetensors");
  converted(golden("zip_views.pt"), ours);
  converted(ours, again);
  EXPECT_EQ(open_checkpoint(again).document->entries(open_checkpoint(again).document->metadata).size(), 0u);
}

TEST(Structures, HistoriesAndVocabulariesAreSmall) {
  CheckpointFile file{.path = "words", .format = FileFormat::TorchZip, .document = std::make_shared<Document>("words")};
  Document& document = *file.document;
  const NodeId words = document.make_dict();
  for (int i = 0; i < 50000; ++i) document.insert(words, fmt::format("word{}", i * 7), document.make_int(i));
  const NodeId history = document.make_list();
  for (int i = 0; i < 10000; ++i) {
    const NodeId epoch = document.make_dict();
    document.insert(epoch, "epoch", document.make_int(i));
    document.insert(epoch, "loss", document.make_float(i * 0.5));
    document.append(history, epoch);
  }
  document.root = document.make_dict();
  document.insert(document.root, "words", words);
  document.insert(document.root, "history", history);
  document.insert(document.root, "w", document.make_tensor(ones({2})));
  const std::string pt = scratch("words.pt");
  const std::string h5 = scratch("words.h5");
  convert_checkpoint(file, pt, {});
  convert_checkpoint(file, h5, {});
  EXPECT_LT(std::filesystem::file_size(h5), 2 * std::filesystem::file_size(pt));
  EXPECT_TRUE(compare_checkpoints(open_checkpoint(pt), open_checkpoint(h5), {}).same());
}

TEST(HostileStructures, BrokenJsonIsOneError) {
  const auto error = [](const std::string& json) {
    const std::string path = scratch("json.h5");
    Hdf5Writer writer(path);
    writer.write("state_dict/a", ones({2}));
    writer.set_attribute("", "format", std::string_view("bevgrad-checkpoint"));
    writer.set_attribute("", "format_version", int64_t{2});
    writer.write_text("document", json);
    writer.commit();
    return message_of([&] { open_checkpoint(path); });
  };
  const auto root = [](const std::string& value) { return "{\"root\":" + value + ",\"metadata\":null}"; };
  EXPECT_THAT(error("{"), HasSubstr("broken JSON"));
  EXPECT_THAT(error("[1]"), HasSubstr("no root and metadata"));
  EXPECT_THAT(error(std::string(100000, '[')), HasSubstr("nested too deeply"));
  EXPECT_THAT(error(root(R"({"$":"ref","to":1})")), HasSubstr("a reference to 1, which is not there"));
  EXPECT_THAT(error(root(R"({"$":"shared","id":1,"value":{"$":"ref","to":1}})")), HasSubstr("circle"));
  EXPECT_THAT(error(root(R"({"$":"tensor","at":"nowhere"})")), HasSubstr("nowhere"));
  EXPECT_THAT(error(root(R"({"$":"odd"})")), HasSubstr("unknown kind 'odd'"));
  EXPECT_THAT(error(root(R"({"$":"bytes","base64":"a"})")), HasSubstr("broken base64"));
  EXPECT_THAT(error(root(R"({"$":"dict","items":[[1]]})")), HasSubstr("no pair"));
  EXPECT_THAT(error(root(R"([{"$":"state_dict"},{"$":"state_dict"}])")), HasSubstr("twice"));
}

/// Every golden file, converted: torch.load(weights_only=True) opens it where PyTorch is there (BEVGRAD_PYTHON), and
/// this project's own reader does.
TEST(WrittenFiles, Open) {
  const std::string folder = scratch("written");
  std::filesystem::create_directories(folder);
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(golden(""))) {
    const std::string extension = entry.path().extension().string();
    if (!entry.is_regular_file() || extension == ".py" || extension == ".json" || extension == ".feather") continue;
    const std::string out = folder + "/" + entry.path().filename().string() + ".pt";
    converted(entry.path().string(), out);
    open_checkpoint(out);
    ++files;
  }
  EXPECT_GT(files, 50u);
  const char* chosen = std::getenv("BEVGRAD_PYTHON");
  const std::string python = chosen != nullptr ? chosen : "python3";
  if (std::system((python + " -c 'import torch' > /dev/null 2>&1").c_str()) != 0) {
    GTEST_SKIP() << "SKIPPED: " << python << " has no PyTorch (set BEVGRAD_PYTHON)";
  }
  const std::string script =
      "import sys,glob,torch\n"
      "for f in sorted(glob.glob(sys.argv[1]+'/*.pt')): torch.load(f, weights_only=True)\n";
  std::ofstream(folder + "/load.py") << script;
  EXPECT_EQ(std::system(fmt::format("{} {}/load.py {}", python, folder, folder).c_str()), 0);
}

}  // namespace
}  // namespace bevgrad
