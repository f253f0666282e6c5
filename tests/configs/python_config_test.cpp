// Python configs: their literal assignments become fields, everything else is said and nothing is run.
#include "configs/python_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "configs/load.h"
#include "internal/python_literals.h"
#include "support/temporary_folder.h"

namespace bevgrad::configs {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using Kind = PythonValue::Kind;

/// What the name `x` is after a text.
PythonValue x_of(const std::string& text) {
  const PythonFile file = read_python(text, "c.py");
  for (const auto& [name, value] : file.values)
    if (name == "x") return value;
  return {};
}

double number(const std::string& expression) {
  const PythonValue value = x_of("x = " + expression + "\n");
  EXPECT_TRUE(value.is_number()) << expression << ": " << value.text;
  return value.number;
}

TEST(PythonLiterals, ArithmeticIsPythons) {
  EXPECT_EQ(number("1 + 2 * 3"), 7);
  EXPECT_EQ(number("(1 + 2) * 3"), 9);
  EXPECT_EQ(number("-2 ** 2"), -4);
  EXPECT_EQ(number("2 ** 3 ** 2"), 512);
  EXPECT_EQ(number("-7 // 2"), -4);
  EXPECT_EQ(number("-7 % 3"), 2);
  EXPECT_EQ(number("7 / 2"), 3.5);
  EXPECT_EQ(number("1_000 * 0x10"), 16000);
  EXPECT_DOUBLE_EQ(number("2e-4 * 8"), 16e-4);
  EXPECT_EQ(number(".5"), 0.5);
  EXPECT_EQ(x_of("x = 6 / 2\n").kind, Kind::Float);
  EXPECT_EQ(x_of("x = 6 // 2\n").kind, Kind::Integer);
  EXPECT_EQ(x_of("x = 1 / 0\n").kind, Kind::Unknown);
}

TEST(PythonLiterals, NamesItemsAndUpdates) {
  EXPECT_EQ(x_of("a = dict(b=[1, 2, 3], c={'d': 4})\nx = a['b'][-1] + a['c']['d']\n").number, 7);
  EXPECT_EQ(x_of("steps = 75000\nx = int(0.65 * steps)\n").kind, Kind::Unknown) << "a call";
  const PythonValue value = x_of(
      "x = dict(a=1, b=dict(c=2))\n"
      "x['b']['c'] = 3\nx['e'] = 'f'\nx.update(a=5)\nx.update({'g': (1,)})\n");
  ASSERT_EQ(value.kind, Kind::Dict);
  EXPECT_EQ(value.find("a")->number, 5);
  EXPECT_EQ(value.find("b")->find("c")->number, 3);
  EXPECT_EQ(value.find("e")->text, "f");
  EXPECT_EQ(value.find("g")->items.size(), 1u);
  EXPECT_EQ(x_of("x = 'a' \"b\" r'\\n' '''c\nd'''\n").text, "ab\\nc\nd");
  EXPECT_EQ(x_of("x = [0] * 3 + [1]\n").items.size(), 4u);
  EXPECT_EQ(x_of("x = 1, 2\n").items.size(), 2u);
  EXPECT_EQ(x_of("x = (3)\n").kind, Kind::Integer);
  EXPECT_EQ(x_of("x: float = \\\n  3  # a comment\n").number, 3);
  EXPECT_EQ(x_of("x = {**{'a': 1}, 'b': 2}\n").find("a")->number, 1);
}

TEST(PythonLiterals, WhatIsNotWrittenOutIsUnknownAndNothingElseIsHarmed) {
  for (const char* text : {"open('/etc/passwd').read()", "[i for i in range(3)]", "{1, 2}", "a if b else c", "f'{y}'",
                           "lambda: 3", "os.environ['HOME']", "1 < 2", "__import__('os').system('true')",
                           "{i: i for i in y}", "[0] * 10 ** 9", "10 ** 400", "not True", "y[1:2]", "{1: 2}"}) {
    const PythonFile file = read_python(fmt::format("x = {}\nz = 4\n", text), "c.py");
    ASSERT_EQ(file.values.size(), 2u) << text;
    EXPECT_EQ(file.values[0].second.kind, Kind::Unknown) << text;
    EXPECT_EQ(file.values[1].second.number, 4) << text;
  }
  const PythonFile file = read_python(
      "\"\"\"What it is.\"\"\"\nimport os\nfrom a import b\ndef f(x=1):\n  x = 2\n  return x\nif True:\n  x = 3\n"
      "for i in [1]:\n    x = i\nprint(x)\nx = 5\n",
      "c.py");
  ASSERT_EQ(file.values.size(), 1u);
  EXPECT_EQ(file.values[0].second.number, 5);
  EXPECT_THAT(file.skipped,
              AllOf(Contains("line 2: import os"), Contains("line 7: if True:"), Contains("line 11: print(x)")));
}

TEST(PythonLiterals, WhatIsNoPythonIsNamedWithItsLine) {
  const auto error_of = [](const std::string& text) -> std::string {
    try {
      read_python(text, "c.py");
    } catch (const UsageError& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_THAT(error_of("a = 1\nb = [1,\n"), HasSubstr("c.py:2: \"[\" is not closed"));
  EXPECT_THAT(error_of("a = 'b\n"), HasSubstr("c.py:1: this text does not end"));
  EXPECT_THAT(error_of("a = (1]\n"), HasSubstr("c.py:1"));
  EXPECT_THAT(error_of("a = 3 $ 4\n"), HasSubstr("c.py:1"));
  EXPECT_THAT(error_of("a =\n"), HasSubstr("c.py:1"));
  EXPECT_THAT(error_of("x = " + std::string(10000, '[') + std::string(10000, ']')), HasSubstr("nested too deeply"));
  EXPECT_THAT(error_of("x = " + std::string(10000, '-') + "1\n"), HasSubstr("nested too deeply"));
  EXPECT_THAT(error_of("x = [0] * 49000\ny = [0] * 49000\nz = [0] * 49000\n"), HasSubstr("larger than a config"));
}

class PythonConfigs : public ::testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return (folder_ / name).string();
  }
  Document read(const std::string& config, const std::string& task, const std::vector<std::string>& sets = {}) {
    said_.clear();
    return load({.config = config, .task_config = task, .sets = sets, .remark = [this](const std::string& line) {
                   said_ += line + "\n";
                 }});
  }
  testing::TemporaryFolder temporary_;
  const std::filesystem::path folder_ = temporary_.path();
  std::string said_;
};

const char* kSourcesKind = R"(# step 2
import os
from projects.perception import build
max_steps = 75000
freeze_steps = max_steps
pc_range = [-20.8, -22.4, -3.0, 62.4, 22.4, 5.0]
static_task = True
dynamic_task = False
train = dict(
    batch_size=8,
    base_lr=2e-4 / 2,
    train_steps=0,
    finetune_steps=max_steps,
    finetune_milestones=[0.5, 0.9],
    float_pretrain='work/step1.ckpt',
    accumulate_grad_batches=2.5,
    optimizer=dict(type='AdamW'),
)
val_batch_size = 1
freeze_module_schedules = {'stage1_backbone0': freeze_steps, 'stage1_neck*': 10 * 5}
group_lr_scale = dict(stage1_backbone=0.5)
temporal = dict(interval_variable=True, match_tol=0.1, max_capacity=compute())
def get_model():
    return build(train)
)";

TEST_F(PythonConfigs, FieldsAreTakenAndTheRestIsSaid) {
  const std::string path = write("lpperception_current_hpa_step2_static.py", kSourcesKind);
  const config::Config proto = read("projects/perception/entry.py", path, {"train.log_interval=3"}).proto;
  EXPECT_EQ(proto.train().batch_size(), 8);
  EXPECT_DOUBLE_EQ(proto.train().base_lr(), 1e-4);
  EXPECT_EQ(proto.train().finetune_steps(), 75000);
  EXPECT_EQ(proto.train().finetune_milestones_size(), 2);
  EXPECT_EQ(proto.train().float_pretrain(), "work/step1.ckpt");
  EXPECT_EQ(proto.train().log_interval(), 3);
  EXPECT_EQ(proto.grid().pc_range_size(), 6);
  EXPECT_FALSE(proto.tasks().dynamic_task());
  ASSERT_EQ(proto.train().freeze_module_schedules_size(), 2);
  EXPECT_EQ(proto.train().freeze_module_schedules(1).module(), "stage1_neck*");
  EXPECT_EQ(proto.train().freeze_module_schedules(1).steps(), 50);
  EXPECT_DOUBLE_EQ(proto.train().group_lr_scale(0).scale(), 0.5);
  EXPECT_TRUE(proto.temporal().interval_variable());
  EXPECT_EQ(proto.temporal().intervals_size(), 3) << "the shipped config of its name is beneath";
  EXPECT_THAT(said_, AllOf(HasSubstr("over hpa_step2_static.prototxt"), HasSubstr("entry.py: not read"),
                           HasSubstr("train.base_lr=0.0001"), HasSubstr("max_steps"), HasSubstr("train.optimizer.type"),
                           HasSubstr("train.accumulate_grad_batches (line 16)")));
  EXPECT_THAT(said_, AllOf(HasSubstr("temporal.max_capacity (line 22): it is not written out (a call of compute)"),
                           HasSubstr("line 2: import os"), HasSubstr("line 23: def get_model():")));
}

TEST_F(PythonConfigs, APhasesMilestonesAndRatesAndTheShallowestOfSeveralFields) {
  const std::string path =
      write("b_step2_static.py",
            "\xEF\xBB\xBFnum_workers = 3\r\n"
            "schedule = dict(milestones={'train': [0.5, 0.8], 'finetune': [0.7, 0.9]}, gamma=0.2,\r\n"
            "                lr=dict(train=1e-3, finetune=5e-4))\r\n");
  const config::Config proto = read("", path).proto;
  EXPECT_EQ(proto.train().num_workers(), 3) << "behind a mark of UTF-8";
  EXPECT_EQ(proto.train().train_milestones(1), 0.8);
  EXPECT_EQ(proto.train().finetune_milestones(0), 0.7);
  EXPECT_EQ(proto.train().base_lr(), 1e-3);
  EXPECT_EQ(proto.train().finetune_lr(), 5e-4);
  EXPECT_EQ(proto.train().gamma(), 0.2) << "of the optional schedules' fields of that name none is meant";
}

TEST_F(PythonConfigs, ARefusedValueLeavesWhatWasThere) {
  const std::string path =
      write("c_step2_static.py", "other = dict(train=[0.5, 0.8])\nfreeze_module_schedules = {'a': -1}\n");
  try {
    read("", path);
    FAIL() << "no error";
  } catch (const UsageError& error) {
    // Of the two mistakes the list of data was refused and put back; the number is out of its range.
    EXPECT_THAT(error.what(), AllOf(HasSubstr("c_step2_static.py:2"), HasSubstr("steps"), HasSubstr("-1")));
  }
  EXPECT_THAT(said_, HasSubstr("not taken: other.train (line 1)"));
}

TEST_F(PythonConfigs, OverAConfigThatIsNamed) {
  const std::string path = write("mine.py", "train = dict(batch_size=3)\n");
  const config::Config proto = read("mini_step1", path).proto;
  EXPECT_EQ(proto.train().batch_size(), 3);
  EXPECT_EQ(proto.train().train_steps(), load({.config = "mini_step1"}).proto.train().train_steps());
}

TEST_F(PythonConfigs, WhereNothingCanBeReadTheCallToUseIsSaid) {
  const auto error_of = [&](const std::string& config, const std::string& task) -> std::string {
    try {
      read(config, task);
    } catch (const UsageError& error) {
      EXPECT_THAT(error.what(), ::testing::Not(HasSubstr("\n")));
      return error.what();
    }
    return "no error";
  };
  EXPECT_THAT(error_of("projects/perception/entry.py", ""),
              AllOf(HasSubstr("entry.py"), HasSubstr("there is no such file"), HasSubstr("hpa_step2_static")));
  EXPECT_THAT(error_of(write("entry.py", "a = 1\n"), ""),
              AllOf(HasSubstr("like that of no shipped config"), HasSubstr("--config NAME")));
  EXPECT_THAT(error_of("", "x/y_step1.py"), HasSubstr("LEAPAI_TASK_CONFIG=x/y_step1.py"));
}

}  // namespace
}  // namespace bevgrad::configs
