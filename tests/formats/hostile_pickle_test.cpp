// Pickles made to do harm: each is one Error that names the file and what is wrong with it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "files.h"
#include "formats/convert/convert.h"
#include "formats/convert/inspect.h"
#include "formats/pickle/pickle_file.h"
#include "formats/pickle/trust.h"
#include "pickles.h"

namespace bevgrad {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string pickle_error(const std::string& bytes) {
  const std::string path = write_bytes("hostile.pkl", bytes);
  const std::string message = message_of([&] { read_pickle(path); });
  EXPECT_THAT(message, HasSubstr("hostile.pkl"));
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  return message;
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
  return inspect_globals(path).text(path, false);
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

TEST(HostilePickle, WhatFollowsAPickleIsNamedToo) {
  const std::string call = "cos\nsystem\nU\x02ls\x85R.";
  EXPECT_THAT(named_before_the_break(write_bytes("stream.pkl", p2("].") + p2("N.") + p2(call))),
              ElementsAre("os.system"));
  EXPECT_THAT(named_before_the_break(write_bytes("stream.pkl", p2("].") + p2(call) + "\xff")),
              ElementsAre("os.system"));
}

TEST(HostilePickle, TextPicklesBeginWithAnyOpcode) {
  EXPECT_THAT(named_in(write_bytes("text.pkl", "Vos\np0\n0(cposix\nsystem\ng0\no.")), HasSubstr("posix.system"));
  EXPECT_THAT(named_before_the_break(write_bytes("stream.pkl", "Vos\np0\n0cposix\nsystem\n\xff")),
              ElementsAre("posix.system"));
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
  for (const char* target : {"laughs.h5", "laughs.ckpt"}) {
    const std::string out = scratch(target);
    convert_checkpoint(file, out, {});
    EXPECT_LT(std::filesystem::file_size(out), 20'000u) << "shared parts are written once";
  }
  EXPECT_THAT(message_of([&] { inspect_checkpoint(file, {}); }), HasSubstr("unfolds"));
}

TEST(HostilePickle, CirclesAreReadAndDeepNestingIsAnError) {
  const CheckpointFile circle = open_checkpoint(write_bytes("circle.pkl", p2("]q\x01h\x01"
                                                                             "a.")));
  convert_checkpoint(circle, scratch("circle.h5"), {});
  EXPECT_THAT(inspect_checkpoint(circle, {}), HasSubstr("a reference back to the root"));
  const CheckpointFile deep = open_checkpoint(write_bytes("deep.pkl", p2("N" + std::string(1000000, '\x85') + ".")));
  EXPECT_THAT(message_of([&] { convert_checkpoint(deep, scratch("deep.ckpt"), {}); }), HasSubstr("deep"));
  const CheckpointFile lists =
      open_checkpoint(write_bytes("lists.pkl", p2(std::string(100000, ']') + std::string(99999, 'a') + ".")));
  EXPECT_THAT(message_of([&] { inspect_checkpoint(lists, {}); }), HasSubstr("deep"));
}

}  // namespace
}  // namespace bevgrad
