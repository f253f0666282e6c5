// Files made to do harm: each is one Error that names the file and what is wrong with it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hdf5.h>

#include <array>

#include "files.h"
#include "formats/convert/convert.h"
#include "formats/convert/inspect.h"
#include "formats/hdf5/raw/layout.h"
#include "formats/hdf5/tensor_file.h"
#include "formats/pickle/machine.h"
#include "formats/pickle/trust.h"
#include "formats/zip/writer.h"

namespace bevgrad {
namespace {

using namespace testing;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string pickle_error(const std::string& bytes) {
  const std::string path = write_bytes("hostile.pkl", bytes);
  const std::string message = message_of([&] { read_pickle(path); });
  EXPECT_THAT(message, HasSubstr("hostile.pkl"));
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  return message;
}

std::string p2(const std::string& body) {
  return std::string("\x80\x02", 2) + body;
}

TEST(HostilePickle, NamesWhatItWouldHaveCalled) {
  EXPECT_THAT(pickle_error(p2("cos\nsystem\nU\x02ls\x85R.")), HasSubstr("os.system"));
  EXPECT_THAT(pickle_error(p2("c__builtin__\neval\nU\x02ls\x85R.")), HasSubstr("__builtin__.eval"));
  EXPECT_THAT(pickle_error("(S'ls'\nios\nsystem\n."), HasSubstr("os.system"));
  EXPECT_THAT(pickle_error("(cposix\nsystem\nS'ls'\no."), HasSubstr("posix.system"));
  EXPECT_THAT(pickle_error(std::string("\x80\x04\x8c\x0asubprocess\x8c\x05Popen\x93\x8c\x02ls\x85R.", 29)),
              HasSubstr("subprocess.Popen"));
  EXPECT_THAT(pickle_error(p2("ctorch.serialization\nos.system\nU\x02ls\x85R.")), HasSubstr("os.system"));
  EXPECT_THAT(pickle_error(p2("ctorch.hub\nload\nU\x02ls\x85R.")), HasSubstr("torch.hub.load"));
  EXPECT_THAT(pickle_error(p2("cnumpy.testing._private.utils\nrunstring\nU\x02ls\x85R.")), HasSubstr("runstring"));
  EXPECT_THAT(pickle_error(p2("crunpy\n_run_code\n)R.")), HasSubstr("runpy"));
  EXPECT_THAT(pickle_error(p2("coperator\nattrgetter\n)R.")), HasSubstr("operator.attrgetter"));
  EXPECT_THAT(pickle_error(p2("cos\nsystem\n.")), HasSubstr("os.system"));  // named, not called
  // A subscript is plain data for names of types only.
  EXPECT_NO_THROW(
      read_pickle(write_bytes("type.pkl", p2("c_operator\ngetitem\nctyping\nList\nc__builtin__\nint\n\x86R."))));
  EXPECT_THAT(pickle_error(p2("c_operator\ngetitem\ncsome.package\ntable\nU\x02ls\x86R.")), HasSubstr("getitem"));
}

std::string named_in(const std::string& path) {
  return globals_text(path, list_globals(*open_checkpoint(path, Foreign::Allow).document), false);
}

// Python has called it by the time it finds the rest broken.
TEST(HostilePickle, WhatABrokenPickleNamedIsKnown) {
  const std::string call = "cos\nsystem\nU\x02ls\x85R";
  for (const std::string& rest : {std::string(), std::string("N."), std::string("\xff."), std::string("K\x01s.")}) {
    try {
      open_checkpoint(write_bytes("broken.pkl", p2(call + rest)), Foreign::Allow);
      ADD_FAILURE() << "read whole: " << rest;
    } catch (const BrokenPickle& broken) {
      ASSERT_EQ(broken.globals.size(), 1u);
      EXPECT_EQ(broken.globals[0].name, "os.system");
      EXPECT_EQ(broken.globals[0].trust, Trust::Harmful);
      EXPECT_EQ(broken.globals[0].calls, 1u);
    }
  }
}

TEST(HostilePickle, NothingHidesBesideTheObject) {
  // torch.load runs five pickles of a legacy file, and those inside nested storages.
  const std::string call = "cos\nsystem\nU\x02ls\x85R";
  const std::string good = read_bytes(golden("legacy_views.pt"));
  const size_t end_of_version = 15 + 6;
  const size_t end_of_sizes = good.find(std::string(".\x80\x02", 3), end_of_version) + 1;
  const std::string head = good.substr(0, end_of_version) +
                           p2("}U\x01"
                              "a" +
                              call + "s.") +
                           good.substr(end_of_sizes);
  const std::string path = write_bytes("head.pt", head);
  EXPECT_THAT(message_of([&] { open_checkpoint(path); }), HasSubstr("os.system"));
  EXPECT_THAT(named_in(path), HasSubstr("os.system"));
  const std::string storage = good.substr(0, end_of_version) + p2("}.") + p2(call + ".") + p2("].");
  const std::string outer = p2("ctorch.storage\n_load_from_bytes\nT") +
                            std::string{static_cast<char>(storage.size()), 0, 0, 0} + storage + "\x85R.";
  EXPECT_THAT(message_of([&] { open_checkpoint(write_bytes("outer.pkl", outer)); }), HasSubstr("refused"));
  EXPECT_THAT(named_in(write_bytes("outer.pkl", outer)), HasSubstr("os.system"));
}

std::vector<std::string> named_in_broken(const std::string& bytes) {
  std::vector<std::string> names;
  try {
    open_checkpoint(write_bytes("stream.pkl", bytes), Foreign::Allow);
  } catch (const BrokenPickle& broken) {
    for (const GlobalUse& use : broken.globals) names.push_back(use.name);
  }
  return names;
}

TEST(HostilePickle, WhatFollowsAPickleIsNamedToo) {
  const std::string call = "cos\nsystem\nU\x02ls\x85R.";
  EXPECT_THAT(named_in_broken(p2("].") + p2("N.") + p2(call)), ElementsAre("os.system"));
  EXPECT_THAT(named_in_broken(p2("].") + p2(call) + "\xff"), ElementsAre("os.system"));
}

TEST(HostilePickle, TextPicklesBeginWithAnyOpcode) {
  EXPECT_THAT(named_in(write_bytes("text.pkl", "Vos\np0\n0(cposix\nsystem\ng0\no.")), HasSubstr("posix.system"));
  EXPECT_THAT(named_in_broken("Vos\np0\n0cposix\nsystem\n\xff"), ElementsAre("posix.system"));
  EXPECT_THAT(message_of([&] { open_checkpoint(write_bytes("text.pkl", "Vowels are not a pickle.\n")); }),
              HasSubstr("not a PyTorch, safetensors or HDF5 file"));
}

TEST(HostilePickle, AStorageOfNoBytesIsNone) {
  const auto file = open_checkpoint(
      write_bytes("empty.pkl", p2("ctorch.storage\n_load_from_bytes\nT") + std::string(4, '\0') + "\x85R."),
      Foreign::Allow);
  EXPECT_NE(file.document->node(file.document->root).kind, ValueKind::Tensor);
}

TEST(HostilePickle, PlainDataIsNoHarm) {
  for (const char* name :
       {"collections.OrderedDict", "torch.FloatStorage", "torch.cuda.HalfStorage", "torch.float8_e5m2", "numpy.float32",
        "numpy.bool_", "torch.nn.functional.relu", "pathlib.PosixPath", "typing.Tuple", "collections.abc.Mapping"}) {
    EXPECT_EQ(judge_global(name), Trust::Known) << name;
  }
  for (const char* name : {"torch.optim.adamw.AdamW", "__main__.Config", "mmengine.config.config.ConfigDict",
                           "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint"}) {
    EXPECT_EQ(judge_global(name), Trust::Inert) << name;
  }
  for (const char* name : {"torch.load",
                           "torch.jit.load",
                           "numpy.f2py.Anything",
                           "torch._inductor.codecache.PyCodeCache",
                           "test.support.run",
                           "torch._dynamo.config.os.system",
                           "numpy.load",
                           "os.popen",
                           "builtins.exec",
                           "__builtin__.getattr",
                           "asyncio.unix_events._UnixSubprocessTransport._start",
                           "cloudpickle.cloudpickle._make_function",
                           "pip.main",
                           "torch.nn.functional.os.system",
                           "functools.reduce",
                           "types.CodeType",
                           "mylib.utils.subprocess.run",
                           "torch.nn.functional.importlib",
                           "pandas.eval",
                           "pandas.io.pickle.read_pickle",
                           "hydra.utils.instantiate",
                           "torch.fx.graph_module.GraphModule",
                           "numpy.DataSource"}) {
    EXPECT_EQ(judge_global(name), Trust::Harmful) << name;
  }
}

TEST(HostilePickle, ForeignClassesStayNames) {
  const std::string path = write_bytes("config.pkl", p2("}U\x01"
                                                        "acomegaconf.dictconfig\nDictConfig\n)\x81}bs."));
  const Value object = read_pickle(path).at("a");
  EXPECT_EQ(object.kind(), ValueKind::Object);
  EXPECT_EQ(object.type_name(), "omegaconf.dictconfig.DictConfig");
}

TEST(HostilePickle, ConfusedStacksAndMemosAreErrors) {
  EXPECT_THAT(pickle_error(p2(".")), HasSubstr("stack is empty"));
  EXPECT_THAT(pickle_error(p2("a.")), HasSubstr("APPEND"));
  EXPECT_THAT(pickle_error(p2("t.")), HasSubstr("no mark"));
  EXPECT_THAT(pickle_error(p2("h\x05.")), HasSubstr("memo 5 is empty"));
  EXPECT_THAT(pickle_error(p2("K\x01K\x02s.")), HasSubstr("SETITEM"));
  EXPECT_THAT(pickle_error(p2("K\x01K\x02K\x03s.")), HasSubstr("entries for a int"));
  EXPECT_THAT(pickle_error(p2("]K\x02"
                              "b.")),
              HasSubstr("state for a list"));
  EXPECT_THAT(pickle_error(p2("K\x01)R.")), HasSubstr("a int is called"));
  EXPECT_THAT(pickle_error(p2("\x82\x01.")), HasSubstr("extension code 1"));
  EXPECT_THAT(pickle_error(p2("NN.")), HasSubstr("left on the stack"));
  EXPECT_THAT(pickle_error(p2("}(K\x01u.")), HasSubstr("key without a value"));
  EXPECT_THAT(pickle_error(p2("\xff.")), HasSubstr("unknown opcode 0xff"));
  EXPECT_THAT(pickle_error(p2("N")), HasSubstr("cut short"));
  EXPECT_THAT(pickle_error(p2("N.N")), HasSubstr("follow the end"));
  EXPECT_THAT(pickle_error("\x80\x09."), HasSubstr("protocol 9"));
}

TEST(HostilePickle, LyingLengthsAreErrorsBeforeAnyAllocation) {
  EXPECT_THAT(pickle_error(p2("X\xff\xff\xff\xff"
                              "abc.")),
              HasSubstr("length of 4294967295"));
  EXPECT_THAT(pickle_error(std::string("\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.", 12)), HasSubstr("length of"));
  EXPECT_THAT(pickle_error(p2("\x8b\xff\xff\xff\x7f.")), HasSubstr("length of"));
  EXPECT_THAT(pickle_error(std::string("\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7fN.", 13)), HasSubstr("frame of"));
}

/// Tuples of tuples of tuples ... each named twice: small in the file, 2^40 values where they are unfolded.
std::string laughs() {
  std::string body = "N\x85q";
  body.push_back('\0');
  for (int i = 0; i < 40; ++i) {
    body += "0h";
    body.push_back(static_cast<char>(i));
    body += "h";
    body.push_back(static_cast<char>(i));
    body += "\x86q";
    body.push_back(static_cast<char>(i + 1));
  }
  return p2("}U\x01x" + body + "s.");
}

TEST(HostilePickle, ABillionLaughsIsReadButNotUnfolded) {
  const std::string path = write_bytes("laughs.pkl", laughs());
  const CheckpointFile file = open_checkpoint(path);
  for (const char* target : {"laughs.h5"}) {
    const std::string out = scratch(target);
    EXPECT_THAT(message_of([&] { convert_checkpoint(file, out, {}); }), HasSubstr("unfolds"));
    EXPECT_FALSE(std::filesystem::exists(out));
  }
  EXPECT_THAT(message_of([&] { inspect_checkpoint(file, {}); }), HasSubstr("unfolds"));
}

TEST(HostilePickle, CirclesAndDeepNestingAreErrors) {
  const CheckpointFile circle = open_checkpoint(write_bytes("circle.pkl", p2("]q\x01h\x01"
                                                                             "a.")));
  EXPECT_THAT(message_of([&] { convert_checkpoint(circle, scratch("circle.h5"), {}); }), HasSubstr("circle"));
  EXPECT_THAT(message_of([&] { inspect_checkpoint(circle, {}); }), HasSubstr("circle"));
  const CheckpointFile deep = open_checkpoint(write_bytes("deep.pkl", p2("N" + std::string(1000000, '\x85') + ".")));
  EXPECT_THAT(message_of([&] { convert_checkpoint(deep, scratch("deep.ckpt"), {}); }), HasSubstr("deep"));
  const CheckpointFile lists =
      open_checkpoint(write_bytes("lists.pkl", p2(std::string(100000, ']') + std::string(99999, 'a') + ".")));
  EXPECT_THAT(message_of([&] { inspect_checkpoint(lists, {}); }), HasSubstr("deep"));
}

/// A zip file as torch.save writes it, around a pickle.
std::string torch_file(const std::string& name, const std::string& pickle,
                       const std::string& storage = std::string(16, 'x')) {
  const std::string path = scratch(name);
  ZipWriter zip(path);
  zip.add("archive/data.pkl", pickle);
  zip.add("archive/data/0", storage);
  zip.add("archive/version", "3\n");
  zip.finish();
  return path;
}

/// _rebuild_tensor_v2 of a float storage of `numel`, with the given pickled offset, sizes and strides.
std::string tensor_pickle(const std::string& numel, const std::string& offset, const std::string& sizes,
                          const std::string& strides) {
  return p2("ctorch._utils\n_rebuild_tensor_v2\n((X\x07" + std::string(3, '\0') + "storagectorch\nFloatStorage\nX\x01" +
            std::string(3, '\0') + "0X\x03" + std::string(3, '\0') + "cpu" + numel + "tQ" + offset + sizes + strides +
            "\x89"
            "ccollections\nOrderedDict\n)RtR.");
}

std::string torch_error(const std::string& pickle) {
  const std::string path = torch_file("hostile.pt", pickle);
  return message_of([&] { open_checkpoint(path); });
}

std::vector<std::string> named_before_the_break(const std::string& path) {
  std::vector<std::string> names;
  try {
    open_checkpoint(path, Foreign::Allow);
    ADD_FAILURE() << path << " was read whole";
  } catch (const BrokenPickle& broken) {
    for (const GlobalUse& use : broken.globals) names.push_back(use.name);
  }
  return names;
}

// The pickle is whole and has been run by the time the values turn out to be missing.
TEST(HostileTensor, WhatAFileNamedIsKnownWhereItsValuesAreBroken) {
  const std::string call = "cos\nsystem\nU\x02ls\x85R";
  const std::string tensor = tensor_pickle("K\x05", std::string("K\0", 2), "K\x04\x85", "K\x01\x85");
  EXPECT_THAT(named_before_the_break(torch_file("short.pt", p2(call + "0" + tensor.substr(2)))), Contains("os.system"));

  const std::string good = read_bytes(golden("legacy_views.pt"));
  const size_t end_of_version = 15 + 6;
  const size_t end_of_sizes = good.find(std::string(".\x80\x02", 3), end_of_version) + 1;
  const std::string called_first = good.substr(0, end_of_sizes) + p2(call + "0" + good.substr(end_of_sizes + 2));
  EXPECT_THAT(named_before_the_break(write_bytes("cut.pt", called_first.substr(0, called_first.size() - 1))),
              Contains("os.system"));
  const std::string broken_sizes = good.substr(0, end_of_version) + p2(call + ".") + good.substr(end_of_sizes);
  EXPECT_THAT(named_before_the_break(write_bytes("sizes.pt", broken_sizes)), ElementsAre("os.system"));
  const std::string broken_keys = good.substr(0, end_of_sizes) + p2(call + ".") + p2("cposix\nsystem\n.");
  EXPECT_THAT(named_before_the_break(write_bytes("keys.pt", broken_keys)), ElementsAre("os.system", "posix.system"));
}

// 200,000 times the same key of a megabyte.
TEST(HostileTensor, ALongKeyThatIsListedOftenTakesNoMemory) {
  const std::string good = read_bytes(golden("legacy_views.pt"));
  const size_t end_of_sizes = good.find(std::string(".\x80\x02", 3), 15 + 6) + 1;
  std::string keys = "]X" + std::string("\0\0\x10\0", 4) + std::string(1 << 20, 'k') + "q\x02" + "0(";
  for (int i = 0; i < 200000; ++i) keys += "h\x02";
  const std::string path = write_bytes("keys.pt", good.substr(0, end_of_sizes) + p2("N.") + p2(keys + "e."));
  EXPECT_THAT(message_of([&] { open_checkpoint(path); }), HasSubstr("no tensor names it"));
}

TEST(HostileTensor, ShapesThatLeaveTheStorageAreErrors) {
  const std::string four = "K\x04";
  const auto good = torch_file("good.pt", tensor_pickle(four, std::string("K\0", 2), "K\x04\x85", "K\x01\x85"));
  EXPECT_EQ(named_tensors(open_checkpoint(good)).size(), 1u);
  const std::string zero("K\0", 2);
  EXPECT_THAT(torch_error(tensor_pickle("K\x05", zero, "K\x04\x85", "K\x01\x85")), HasSubstr("should hold 5"));
  EXPECT_THAT(torch_error(tensor_pickle(four, "K\x01", "K\x04\x85", "K\x01\x85")), HasSubstr("reaches element 5"));
  EXPECT_THAT(torch_error(tensor_pickle(four, zero, "K\x04\x85", "K\x02\x85")), HasSubstr("reaches element 7"));
  EXPECT_THAT(torch_error(tensor_pickle(four, zero, "K\x04\x85", "J\xff\xff\xff\xff\x85")),
              HasSubstr("negative stride"));
  EXPECT_THAT(torch_error(tensor_pickle(four, "J\xff\xff\xff\xff", "K\x04\x85", "K\x01\x85")),
              HasSubstr("negative offset"));
  EXPECT_THAT(torch_error(tensor_pickle(four, zero, "J\xff\xff\xff\xff\x85", "K\x01\x85")), HasSubstr("negative size"));
  EXPECT_THAT(torch_error(tensor_pickle(four, zero, "K\x02K\x02\x86", "K\x01\x85")),
              HasSubstr("2 sizes, but 1 strides"));
  const std::string huge = "\x8a\x08" + std::string(7, '\0') + "\x40";  // 2^62
  EXPECT_THAT(torch_error(tensor_pickle(four, zero, huge + huge + "\x86", "K\x01K\x01\x86")), HasSubstr("overflow"));
  EXPECT_THAT(torch_error(tensor_pickle(huge, zero, "K\x04\x85", "K\x01\x85")), HasSubstr("should hold"));
  // Stride 0 fits the storage, but not a machine's memory: in bytes too many, in bytes that a disk could not hold.
  EXPECT_THAT(torch_error(tensor_pickle(four, zero, huge + "\x85", std::string("K\0\x85", 3))), HasSubstr("overflow"));
  const std::string large = "\x8a\x06" + std::string(5, '\0') + "\x10";  // 2^44
  EXPECT_THAT(torch_error(tensor_pickle(four, zero, large + "\x85", std::string("K\0\x85", 3))), HasSubstr("unfold"));
}

TEST(HostileTensor, ManyNamesOfOneTensorAreNotWrittenOutWithoutEnd) {
  // 16 MiB of values, 4096 names: 64 GiB where every name is written out.
  const std::string tensor = tensor_pickle("J" + std::string("\0\0\x40\0", 4), std::string("K\0", 2),
                                           "J" + std::string("\0\0\x40\0", 4) + "\x85", "K\x01\x85");
  std::string body = tensor.substr(2, tensor.size() - 3) + "q\x01" + "0}(";
  for (int i = 0; i < 4096; ++i) body += "M" + std::string{static_cast<char>(i), static_cast<char>(i >> 8)} + "h\x01";
  const CheckpointFile file = open_checkpoint(torch_file("names.pt", p2(body + "u."), std::string(16 << 20, '\0')));
  EXPECT_THAT(message_of([&] { named_tensors(file); }), HasSubstr("unfold"));
}

std::string zip_error(const std::string& bytes) {
  const std::string path = write_bytes("hostile.pt", bytes);
  const std::string message = message_of([&] {
    for (const NamedTensor& tensor : named_tensors(open_checkpoint(path))) hex_of(tensor.tensor);
  });
  EXPECT_THAT(message, HasSubstr("hostile.pt"));
  return message;
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

TEST(HostileZip, ContradictionsAreErrors) {
  const std::string good = read_bytes(golden("zip_tensor.pt"));
  const size_t directory = good.find("PK\x01\x02");
  const size_t data = good.find("PK\x03\x04", good.find("data/0") - 40);
  EXPECT_THAT(zip_error(good.substr(0, good.size() - 1)), HasSubstr("cut short"));
  EXPECT_THAT(zip_error(good + "x"), HasSubstr("no zip directory"));
  {
    std::string bytes = good;  // another name in the local header
    bytes[bytes.find("data.pkl")] = 'D';
    EXPECT_THAT(zip_error(bytes), HasSubstr("another name"));
  }
  {
    std::string bytes = good;  // encrypted
    bytes[directory + 8] |= 1;
    EXPECT_THAT(zip_error(bytes), HasSubstr("password"));
  }
  {
    std::string bytes = good;  // flags of the local header alone
    bytes[data + 6] ^= 2;
    EXPECT_THAT(zip_error(bytes), HasSubstr("flags"));
  }
  {
    std::string bytes = good;  // a value
    bytes[bytes.find(std::string("\x01\0\0\0\0\0\0\0\x02", 9))] ^= 0x10;
    EXPECT_THAT(zip_error(bytes), HasSubstr("CRC"));
  }
  {
    std::string bytes = good;  // a name that leads out
    replace_all(bytes, "zip_tensor/version", "../../tmp/version1");
    EXPECT_THAT(zip_error(bytes), HasSubstr("leads out"));
  }
  {
    std::string bytes = good;  // two entries of one name
    replace_all(bytes, "zip_tensor/byteorder", "zip_tensor/byteorder");
    replace_all(bytes, "zip_tensor/.format_version", "zip_tensor/.data/serializ");
    zip_error(bytes);
  }
  {
    std::string bytes = good;  // an entry that begins inside another
    const size_t second = bytes.find("PK\x01\x02", directory + 4);
    bytes.replace(second + 42, 4, bytes.substr(directory + 42, 4));
    zip_error(bytes);
  }
}

TEST(HostileZip, ForeignArchivesAreNamedAsWhatTheyAre) {
  const std::string path = scratch("script.pt");
  {
    ZipWriter zip(path);
    zip.add("script/data.pkl", "N.");
    zip.add("script/constants.pkl", "N.");
    zip.add("script/code/__torch__.py", "class Net: ...");
    zip.finish();
  }
  EXPECT_THAT(message_of([&] { open_checkpoint(path); }), HasSubstr("TorchScript"));
  const auto module = torch_file("module.pt", p2("c__main__\nNet\n)\x81}(U\x0b_parameters}U\x08_modules}ub."));
  EXPECT_THAT(message_of([&] { named_tensors(open_checkpoint(module)); }), HasSubstr("whole module (__main__.Net)"));
  EXPECT_THAT(message_of([] { open_checkpoint(write_bytes("empty.pt", "")); }), HasSubstr("empty"));
  EXPECT_THAT(message_of([] { open_checkpoint("/"); }), HasSubstr("not a regular file"));
  EXPECT_THAT(message_of([] { open_checkpoint("/nonexistent.pt"); }), HasSubstr("/nonexistent.pt"));
}

std::string safetensors_error(std::string header, const std::string& data = "") {
  std::string length;
  for (int i = 0; i < 8; ++i) length.push_back(static_cast<char>(header.size() >> (8 * i)));
  const std::string path = write_bytes("hostile.safetensors", length + header + data);
  return message_of([&] { open_checkpoint(path); });
}

TEST(HostileSafetensors, RangesMustCoverTheDataOnce) {
  const std::string a = R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]})";
  EXPECT_THAT(safetensors_error(a + R"(,"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})", "123456"),
              HasSubstr("overlaps"));
  EXPECT_THAT(safetensors_error(a + R"(,"b":{"dtype":"U8","shape":[1],"data_offsets":[5,6]}})", "123456"),
              HasSubstr("belong to no tensor"));
  EXPECT_THAT(safetensors_error(a + "}", "12345"), HasSubstr("belong to no tensor"));
  EXPECT_THAT(safetensors_error(a + "}", "123"), HasSubstr("leave the data"));
  EXPECT_THAT(safetensors_error(R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,4]}})", "1234"),
              HasSubstr("needs 16"));
  EXPECT_THAT(
      safetensors_error(R"({"a":{"dtype":"F32","shape":[9223372036854775807,8],"data_offsets":[0,4]}})", "1234"),
      HasSubstr("overflows"));
  EXPECT_THAT(safetensors_error(R"({"a":{"dtype":"U8","shape":[0,4611686018427387904,8],"data_offsets":[0,0]}})"),
              HasSubstr("[0,4611686018427387904,8] overflow"));
  EXPECT_THAT(safetensors_error(a + R"(,"a":{"dtype":"U8","shape":[0],"data_offsets":[4,4]}})", "1234"),
              HasSubstr("twice"));
  EXPECT_THAT(safetensors_error(R"({"a":{"dtype":"X9","shape":[0],"data_offsets":[0,0]}})"), HasSubstr("X9"));
  EXPECT_THAT(safetensors_error("{" + std::string(1000, '[')), HasSubstr("header"));
  EXPECT_THAT(safetensors_error(R"({"a":)" + std::string(1000, '[')), HasSubstr("nested"));
  EXPECT_THAT(safetensors_error("{\"\xff\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", "1234"),
              HasSubstr("not UTF-8"));
}

/// A file with one good tensor and whatever `spoil` adds through the HDF5 library itself.
std::string hdf5_error(const std::function<void(hid_t)>& spoil) {
  const std::string path = scratch("hostile.h5");
  Hdf5Writer writer(path);
  writer.write("state_dict/a", ones({2}));
  writer.commit();
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  spoil(file);
  H5Fclose(file);
  return message_of([&] {
    for (const NamedTensor& tensor : named_tensors(open_checkpoint(path))) hex_of(tensor.tensor);
  });
}

void make_dataset(hid_t file, const char* name, hsize_t size, hid_t plan) {
  const hid_t space = H5Screate_simple(1, &size, nullptr);
  H5Dclose(H5Dcreate2(file, name, H5T_IEEE_F32LE, space, H5P_DEFAULT, plan, H5P_DEFAULT));
  H5Sclose(space);
  H5Pclose(plan);
}

/// A tar archive of one member with that content, its header changed by `change` before the checksum.
template <class Change>
std::string tar_error(Change change, const std::string& content = "") {
  std::string header(512, '\0');
  header.replace(0, 6, "pickle");
  header.replace(124, 11, fmt::format("{:011o}", content.size()));
  header[156] = '0';
  header.replace(257, 6, std::string("ustar\0", 6));
  change(header);
  header.replace(148, 8, "        ");
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<uint8_t>(c);
  header.replace(148, 7, fmt::format("{:06o}", sum) + std::string(1, '\0'));
  const std::string padding((512 - content.size() % 512) % 512, '\0');
  const std::string path = write_bytes("hostile.tar", header + content + padding + std::string(1024, '\0'));
  return message_of([&] { open_checkpoint(path); });
}

TEST(HostileTar, MembersThatAnotherReaderWouldFindElsewhereAreErrors) {
  EXPECT_THAT(tar_error([](std::string&) {}), HasSubstr("without 'storages'"));
  EXPECT_THAT(tar_error([](std::string& h) { h.replace(0, 9, "../pickle"); }), HasSubstr("leads out"));
  EXPECT_THAT(tar_error([](std::string& h) { h.replace(345, 2, ".."); }), HasSubstr("leads out"));
  EXPECT_THAT(tar_error([](std::string& h) { h[156] = '2'; }), HasSubstr("link"));
  EXPECT_THAT(tar_error([](std::string& h) { h[156] = 'x'; }, "17 path=storages\n"), HasSubstr("another path"));
  EXPECT_THAT(tar_error([](std::string& h) { h[156] = 'x'; }, "12 mtime=1.5\n"), HasSubstr("without 'storages'"));
}

TEST(HostileHdf5, NothingOutsideTheFileIsRead) {
  EXPECT_THAT(hdf5_error([](hid_t file) {
                H5Lcreate_external("/etc/passwd", "/x", file, "state_dict/b", H5P_DEFAULT, H5P_DEFAULT);
              }),
              HasSubstr("another file"));
  EXPECT_THAT(
      hdf5_error([](hid_t file) { H5Lcreate_soft("/state_dict/a", file, "state_dict/b", H5P_DEFAULT, H5P_DEFAULT); }),
      HasSubstr("symbolic link"));
  EXPECT_THAT(hdf5_error([](hid_t file) {
                const hid_t plan = H5Pcreate(H5P_DATASET_CREATE);
                H5Pset_external(plan, "/etc/passwd", 0, 16);
                make_dataset(file, "state_dict/b", 4, plan);
              }),
              HasSubstr("another file"));
  EXPECT_THAT(hdf5_error([](hid_t file) {
                const hid_t plan = H5Pcreate(H5P_DATASET_CREATE);
                const hsize_t size = 4;
                const hid_t space = H5Screate_simple(1, &size, nullptr);
                H5Pset_virtual(plan, space, "/etc/passwd", "/x", space);
                H5Sclose(space);
                make_dataset(file, "state_dict/b", 4, plan);
              }),
              HasSubstr("virtual"));
}

TEST(HostileHdf5, ValuesThatAreNotThereTakeNoMemory) {
  EXPECT_THAT(hdf5_error([](hid_t file) {
                make_dataset(file, "state_dict/b", hsize_t{1} << 40, H5Pcreate(H5P_DATASET_CREATE));
              }),
              HasSubstr("state_dict/b"));
  EXPECT_THAT(hdf5_error([](hid_t file) {
                const hid_t plan = H5Pcreate(H5P_DATASET_CREATE);
                const hsize_t chunk = 1 << 20;
                H5Pset_chunk(plan, 1, &chunk);
                make_dataset(file, "state_dict/b", hsize_t{1} << 40, plan);
              }),
              HasSubstr("state_dict/b"));
  EXPECT_THAT(hdf5_error([](hid_t file) {
                const hid_t plan = H5Pcreate(H5P_DATASET_CREATE);
                const hsize_t chunk = hsize_t{1} << 29;
                H5Pset_chunk(plan, 1, &chunk);
                H5Pset_deflate(plan, 9);
                make_dataset(file, "state_dict/b", hsize_t{1} << 30, plan);
              }),
              HasSubstr("packed chunks"));
  EXPECT_THAT(hdf5_error([](hid_t file) { H5Lcreate_hard(file, "/", file, "state_dict/b", H5P_DEFAULT, H5P_DEFAULT); }),
              HasSubstr("circle"));
}

TEST(HostileHdf5, SizesWhoseProductOverflows) {
  for (const hsize_t first : {hsize_t{0}, hsize_t{1}}) {
    EXPECT_THAT(hdf5_error([&](hid_t file) {
                  const hid_t plan = H5Pcreate(H5P_DATASET_CREATE);
                  const std::array<hsize_t, 3> sizes = {first, hsize_t{1} << 58, 32};
                  const std::array<hsize_t, 3> chunk = {1, 1, 1};
                  H5Pset_chunk(plan, 3, chunk.data());
                  const hid_t space = H5Screate_simple(3, sizes.data(), nullptr);
                  H5Dclose(H5Dcreate2(file, "state_dict/b", H5T_STD_U8LE, space, H5P_DEFAULT, plan, H5P_DEFAULT));
                  H5Sclose(space);
                  H5Pclose(plan);
                }),
                HasSubstr(fmt::format("state_dict/b: sizes [{},{},32] overflow", first, hsize_t{1} << 58)));
  }
}

TEST(HostileHdf5, AShuffleOfGiantItemsIsNoWork) {
  // The size of an item is a number in the file: a loop over it, 32 times, would not end within a test's time.
  const std::vector<hdf5::Filter> filters(32, {.id = hdf5::Filter::kShuffle, .parameter = 0xffffffff});
  EXPECT_EQ(hdf5::undo_filters(filters, 0, "abcd", 4, "x"), "abcd");
  EXPECT_EQ(hdf5::undo_filters({{.id = hdf5::Filter::kShuffle, .parameter = 2}}, 0, "acbd", 4, "x"), "abcd");
}

TEST(HostileHdf5, DamageIsNamed) {
  const std::string path = scratch("whole.h5");
  Hdf5Writer writer(path);
  writer.write("state_dict/a", from_values({1.5, 2.5}, {2}));
  writer.commit();
  const std::string bytes = read_bytes(path);
  EXPECT_THAT(message_of([&] { open_checkpoint(write_bytes("cut.h5", bytes.substr(0, bytes.size() / 2))); }),
              HasSubstr("cut.h5"));
  std::string flipped = bytes;
  const float value = 2.5f;
  flipped[flipped.find(std::string(reinterpret_cast<const char*>(&value), 4))] ^= 1;
  EXPECT_THAT(message_of([&] { load_state_dict(write_bytes("flipped.h5", flipped)); }), HasSubstr("/state_dict/a"));
}

}  // namespace
}  // namespace bevgrad
