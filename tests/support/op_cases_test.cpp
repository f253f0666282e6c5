// Runs every row of a room's op table.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <regex>
#include <set>

#include "autograd/gradcheck.h"
#include "support/devices.h"
#include "support/op_case.h"
#include "support/paths.h"

namespace bevgrad::testing {
namespace {

std::vector<Tensor> converted(const std::vector<Tensor>& inputs, DType dtype) {
  std::vector<Tensor> result;
  for (const Tensor& x : inputs) result.push_back(ops::to(x, dtype));
  return result;
}

std::vector<Tensor> moved(const std::vector<Tensor>& inputs, Device device) {
  std::vector<Tensor> result;
  for (const Tensor& x : inputs) result.push_back(ops::to(x, device));
  return result;
}

void expect_close(const Tensor& actual, const Tensor& expected, double tolerance, const std::string& what) {
  ASSERT_EQ(actual.sizes(), expected.sizes()) << what;
  const auto a = actual.to_vector(), e = expected.to_vector();
  for (size_t i = 0; i < a.size(); ++i)
    ASSERT_NEAR(a[i], e[i], tolerance * std::max(1.0, std::abs(e[i]))) << what << ", element " << i;
}

// A device is given a few elements: all gradients are compared with the CPU's in OpsOnDevices.
GradcheckOptions gradcheck_on(Device device) {
  GradcheckOptions options;
  if (!device.is_cpu()) options.most_elements = 2;
  return options;
}

class Ops : public ::testing::TestWithParam<OpCase> {};
class OpsWithReference : public Ops {};  // the others have a golden file
class OpsOfNothing : public Ops {};
class OpsOnDevices : public Ops {};

TEST_P(OpsWithReference, AgreeWithIt) {
  const OpCase& row = GetParam();
  const auto inputs = make_inputs(row);
  const Tensor expected = row.reference(inputs);
  for (const Device device : test_devices()) {
    SCOPED_TRACE(to_string(device));
    const auto result = [&](DType dtype) { return row.function(moved(converted(inputs, dtype), device)); };
    EXPECT_EQ(result(DType::Float64).device(), device);
    expect_close(result(DType::Float64), expected, row.float64_tolerance, "float64");
    expect_close(result(DType::Float32), expected, row.float32_tolerance, "float32");
    if (row.bfloat16_tolerance >= 0)
      expect_close(result(DType::BFloat16), expected, row.bfloat16_tolerance, "bfloat16");
  }
}

TEST_P(Ops, Gradcheck) {
  const OpCase& row = GetParam();
  for (const Device device : test_devices()) {
    SCOPED_TRACE(to_string(device));
    EXPECT_EQ(gradcheck(row.op, row.function, moved(make_inputs(row), device), gradcheck_on(device)), "");
  }
}

TEST_P(Ops, HaveADoubleBackwardOrSaySo) {
  const OpCase& row = GetParam();
  const bool has_none = op_table().differentiable_once.contains(row.op);
  try {
    EXPECT_EQ(gradgradcheck(row.op, row.function, make_inputs(row), {.most_elements = 8}), "");
    EXPECT_FALSE(has_none && row.variant.empty()) << "it has one: take it from the list";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("has no double backward"));
    EXPECT_TRUE(has_none) << error.what();
  }
}

// Values and gradients of every dtype are the CPU's, but for the order in which numbers are added.
TEST_P(OpsOnDevices, Agree) {
  const OpCase& row = GetParam();
  for (const DType dtype : {DType::Float64, DType::Float32, DType::BFloat16}) {
    if (dtype == DType::BFloat16 && row.bfloat16_tolerance < 0) continue;
    const auto run = [&](Device device) {
      const auto inputs = moved(converted(make_inputs(row), dtype), device);
      for (const Tensor& x : inputs) set_requires_grad(x, true);
      const Tensor y = row.function(inputs);
      const Tensor dy = Generator(5).uniform(y.sizes(), -1, 1, {y.dtype()});
      backward(y, ops::to(dy, device));
      std::vector<Tensor> results = {y};
      for (const Tensor& x : inputs) results.push_back(grad(x));
      return results;
    };
    const std::vector<Tensor> expected = run({});
    const double tolerance = dtype == DType::Float64   ? 10 * row.float64_tolerance
                             : dtype == DType::Float32 ? 10 * row.float32_tolerance
                                                       : 2 * row.bfloat16_tolerance;
    for (const Device device : test_devices()) {
      if (device.is_cpu()) continue;
      const std::vector<Tensor> results = run(device);
      for (size_t i = 0; i < results.size(); ++i)
        expect_close(results[i], expected[i], tolerance,
                     fmt::format("{} on {}, {}", name(dtype), to_string(device),
                                 i == 0 ? "values" : fmt::format("gradient {}", i - 1)));
    }
  }
}

TEST_P(Ops, StridedInputs) {
  for (const Device device : test_devices()) {
    const OpCase& row = GetParam();
    SCOPED_TRACE(to_string(device));
    const auto inputs = moved(make_inputs(row), device);
    const Tensor expected = row.function(inputs);
    std::vector<Tensor> transposed, sliced, channels_last;
    for (const Tensor& x : inputs) {
      transposed.push_back(transposed_copy(x));
      sliced.push_back(sliced_copy(x));
      channels_last.push_back(ops::contiguous(x, MemoryFormat::ChannelsLast));
    }
    expect_close(row.function(transposed), expected, 1e-12, "transposed");
    expect_close(row.function(sliced), expected, 1e-12, "sliced");
    expect_close(row.function(channels_last), expected, 1e-12, "channels last");
    EXPECT_EQ(gradcheck(row.op, row.function, transposed, gradcheck_on(device)), "");
    EXPECT_EQ(gradcheck(row.op, row.function, sliced, gradcheck_on(device)), "");
  }
}

// Gradients of a row where `write` has had its way with inputs and result before the backward pass.
template <class Write>
std::vector<Tensor> gradients_after(const OpCase& row, const Write& write) {
  const std::vector<Tensor> inputs = make_inputs(row);
  for (const Tensor& x : inputs) set_requires_grad(x, true);
  const Tensor y = row.function(inputs);
  {
    const NoGradGuard no_grad;
    write(inputs, y);
  }
  backward(y, Generator(5).uniform(y.sizes(), -1, 1, {y.dtype()}));
  std::vector<Tensor> gradients;
  for (const Tensor& x : inputs) gradients.push_back(grad(x));
  return gradients;
}

// What a rule keeps of an input is guarded, and what it does not keep may be written: no gradient is silently another.
TEST_P(Ops, AWriteBeforeTheBackwardPassIsFoundOrDoesNotMatter) {
  const OpCase& row = GetParam();
  const std::vector<Tensor> expected = gradients_after(row, [](const auto&, const Tensor&) {});
  for (size_t k = 0; k < row.inputs.size(); ++k) {
    try {
      const std::vector<Tensor> found =
          gradients_after(row, [k](const std::vector<Tensor>& inputs, const Tensor&) { ops::fill_(inputs[k], 0.75); });
      for (size_t i = 0; i < expected.size(); ++i)
        EXPECT_EQ(found[i].to_vector(), expected[i].to_vector()) << "gradient " << i << ", input " << k << " written";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), ::testing::HasSubstr("written in place since")) << "input " << k;
    }
  }
  // Where nothing is to be done the result is the input.
  const std::vector<Tensor> inputs = make_inputs(row);
  const Tensor result = row.function(inputs);
  for (const Tensor& x : inputs)
    if (x.storage() == result.storage() && x.sizes() == result.sizes()) return;
  try {
    gradients_after(row, [](const auto&, const Tensor& y) { ops::fill_(y, 0.75); });
    ADD_FAILURE() << "a write to the result was not found";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("written in place since")) << "result";
  }
}

TEST_P(OpsOfNothing, EmptyInputs) {
  const OpCase& row = GetParam();
  OpCase without = row;
  for (size_t k = 0; k < row.empty.size(); ++k) without.inputs[k].sizes = row.empty[k];
  for (const Device device : test_devices()) {
    SCOPED_TRACE(to_string(device));
    const std::vector<Tensor> inputs = moved(make_inputs(without), device);
    for (const Tensor& x : inputs) set_requires_grad(x, true);
    const Tensor y = row.function(inputs);
    backward(y, ones(y.sizes(), {y.dtype(), {}, device}));
    for (const Tensor& x : inputs) EXPECT_EQ(grad(x).sizes(), x.sizes());
  }
}

TEST_P(Ops, Errors) {
  for (const OpError& error : GetParam().errors) {
    try {
      error.call();
      ADD_FAILURE() << "no error; expected: " << error.expected;
    } catch (const Error& caught) {
      EXPECT_THAT(caught.what(), ::testing::HasSubstr(error.expected));
    }
  }
}

/// The rows for which something holds.
std::vector<OpCase> rows_with(const std::function<bool(const OpCase&)>& holds) {
  std::vector<OpCase> rows;
  for (const OpCase& row : op_table().rows)
    if (holds(row)) rows.push_back(row);
  return rows;
}

std::string name_of(const ::testing::TestParamInfo<OpCase>& info) {
  std::string name = info.param.op + (info.param.variant.empty() ? "" : "_" + info.param.variant);
  return std::regex_replace(name, std::regex("[^A-Za-z0-9_]"), "_");
}

INSTANTIATE_TEST_SUITE_P(All, Ops, ::testing::ValuesIn(op_table().rows), name_of);
INSTANTIATE_TEST_SUITE_P(All, OpsWithReference,
                         ::testing::ValuesIn(rows_with([](const OpCase& row) { return row.reference != nullptr; })),
                         name_of);
INSTANTIATE_TEST_SUITE_P(All, OpsOfNothing,
                         ::testing::ValuesIn(rows_with([](const OpCase& row) { return !row.empty.empty(); })), name_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(OpsOnDevices);
INSTANTIATE_TEST_SUITE_P(All, OpsOnDevices,
                         ::testing::ValuesIn(rows_with([](const OpCase&) { return test_devices().size() > 1; })),
                         name_of);

TEST(OpTable, DevicesAreCompared) {
  if (test_devices().size() == 1) GTEST_SKIP() << "SKIPPED: there is no second device to compare with";
  EXPECT_EQ(test_devices().front(), Device()) << "the first is what the others are compared with";
}

TEST(OpTable, EveryPublicFunctionHasARow) {
  const OpTable table = op_table();
  std::set<std::string> rows;
  for (const OpCase& row : table.rows) rows.insert(row.op);
  for (const auto& [function, file] : table.elsewhere) {
    EXPECT_TRUE(rows.insert(function).second) << function << " has a row, and tests elsewhere";
    std::ifstream stream(std::filesystem::path(source_dir()) / "tests" / file);
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    EXPECT_TRUE(std::regex_search(text, std::regex("\\b" + function + "\\(")))
        << function << " is said to be tested in tests/" << file << ", which does not call it";
  }
  const std::regex declaration(R"(^(?:Tensor|std::pair<Tensor, Tensor>|\w+Result) (\w+)\()");
  const std::filesystem::path folder = std::filesystem::path(source_dir()) / table.headers;
  int declared = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".h") continue;
    std::ifstream file(entry.path());
    std::string before;
    for (std::string line; std::getline(file, line); before = line) {
      std::smatch match;
      // A template is a part of functions that have rows.
      if (!std::regex_search(line, match, declaration) || before.starts_with("template")) continue;
      ++declared;
      EXPECT_TRUE(rows.contains(match[1])) << match[1] << " of " << entry.path().filename() << " has no row";
    }
  }
  EXPECT_GT(declared, 0);
}

}  // namespace
}  // namespace bevgrad::testing
