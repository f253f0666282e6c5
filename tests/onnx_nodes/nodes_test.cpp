// ONNX's backend test cases: each is a graph of one operator (or of those that it is made of), inputs and what comes
// out. Every case of an operator that this library has functions for is run; not_here.txt says which are not, and why.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>
#include <sstream>

#include <fnmatch.h>

#include "autograd/autograd.h"
#include "onnx_nodes/node.h"
#include "support/paths.h"

namespace bevgrad::testing::onnx_nodes {
namespace {

namespace fs = std::filesystem;

const Operators& operators() {
  static const Operators all = [] {
    Operators result;
    add_elementwise(result);
    add_reductions(result);
    add_shapes(result);
    add_indexing(result);
    add_windows(result);
    add_resizing(result);
    add_norms(result);
    add_products(result);
    add_recurrent(result);
    add_losses(result);
    return result;
  }();
  return all;
}

std::string operator_name(const onnx::NodeProto& node) {
  return node.domain().empty() || node.domain() == "ai.onnx" ? node.op_type() : node.domain() + ":" + node.op_type();
}

/// A line of not_here.txt.
struct Entry {
  bool is_operator = false;  // of a whole operator, not of cases
  std::string pattern, reason;
  int uses = 0, passed = 0;
};

std::vector<Entry> entries() {
  const std::string path = source_dir() + "/tests/onnx_nodes/not_here.txt";
  std::ifstream file(path);
  check(file.good(), "{}: cannot be opened", path);
  std::vector<Entry> result;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    const size_t space = line.find(' '), colon = line.find(": ");
    const std::string kind = line.substr(0, space);
    check((kind == "operator" || kind == "case") && colon != std::string::npos && colon + 2 < line.size(),
          "{}: \"{}\", expected \"operator NAME: reason\" or \"case PATTERN: reason\"", path, line);
    result.push_back({kind == "operator", line.substr(space + 1, colon - space - 1), line.substr(colon + 2)});
  }
  return result;
}

/// Folders with cases: those in BEVGRAD_ONNX_CASES (separated by colons), and what Debian's libonnx-testdata has.
std::vector<fs::path> folders() {
  std::vector<fs::path> result;
  if (const char* given = std::getenv("BEVGRAD_ONNX_CASES")) {
    std::istringstream list(given);
    for (std::string folder; std::getline(list, folder, ':');) result.emplace_back(folder);
  }
  if (const fs::path debian = "/usr/share/libonnx-testdata/data"; fs::exists(debian)) result.push_back(debian);
  return result;
}

std::vector<fs::path> cases_in(const fs::path& folder) {
  std::vector<fs::path> result;
  for (const char* kind : {"node", "pytorch-converted", "pytorch-operator", "simple"}) {
    if (!fs::is_directory(folder / kind)) continue;
    for (const auto& entry : fs::directory_iterator(folder / kind)) {
      if (fs::exists(entry.path() / "model.onnx")) result.push_back(entry.path());
    }
  }
  std::ranges::sort(result);
  return result;
}

template <class Proto>
Proto parsed(const fs::path& path) {
  Proto proto;
  std::ifstream file(path, std::ios::binary);
  check(proto.ParseFromIstream(&file), "{}: cannot be parsed", path.string());
  return proto;
}

Tensor tensor_at(const fs::path& path, const onnx::ValueInfoProto& info) {
  needs(info.type().has_tensor_type(), "sequences, maps and optional values");
  return tensor_of(parsed<onnx::TensorProto>(path));
}

int64_t version_of(const onnx::ModelProto& model) {
  for (const auto& import : model.opset_import()) {
    if (import.domain().empty() || import.domain() == "ai.onnx") return import.version();
  }
  return 1;
}

/// The graph's outputs from its inputs; the values of the models' own tensors are inputs too.
std::vector<Tensor> outputs_of(const onnx::ModelProto& model, const std::vector<Tensor>& inputs) {
  const NoGradGuard no_grad;
  std::map<std::string, Tensor> values;
  for (const auto& initializer : model.graph().initializer()) values[initializer.name()] = tensor_of(initializer);
  size_t next = 0;
  for (const auto& info : model.graph().input()) {
    if (!values.contains(info.name()) && next < inputs.size()) values[info.name()] = inputs[next++];
  }
  for (const auto& proto : model.graph().node()) {
    const auto found = operators().find(operator_name(proto));
    needs(found != operators().end(), "operator " + operator_name(proto));
    std::vector<Tensor> arguments;
    for (const std::string& name : proto.input()) arguments.push_back(name.empty() ? Tensor() : values[name]);
    const Outputs results = found->second(Node(proto, version_of(model), std::move(arguments)));
    for (int i = 0; i < proto.output_size(); ++i) {
      if (proto.output(i).empty()) continue;
      needs(static_cast<size_t>(i) < results.size(), "output " + std::to_string(i) + " of " + operator_name(proto));
      values[proto.output(i)] = results[static_cast<size_t>(i)];
    }
  }
  std::vector<Tensor> results;
  for (const auto& info : model.graph().output()) results.push_back(values[info.name()]);
  return results;
}

/// "" or how they differ: as ONNX's own runner compares, |a - e| <= 1e-6 + 1e-3 |e|; 16-bit types to two last bits.
std::string difference(const Tensor& actual, const Tensor& expected) {
  if (actual.dtype() != expected.dtype() || actual.sizes() != expected.sizes()) {
    return describe(actual) + ", expected " + describe(expected);
  }
  double relative = 1e-3, absolute = 1e-6;
  if (actual.dtype() == DType::BFloat16) relative = 0x1p-6;
  if (actual.dtype() == DType::Float16) absolute = 0x1p-14, relative = 0x1p-9;
  const std::vector<double> a = actual.to_vector(), e = expected.to_vector();
  for (size_t i = 0; i < a.size(); ++i) {
    const bool same = a[i] == e[i] || (std::isnan(a[i]) && std::isnan(e[i])) ||
                      std::abs(a[i] - e[i]) <= absolute + relative * std::abs(e[i]);
    if (!same) return fmt::format("element {} is {}, expected {}", i, a[i], e[i]);
  }
  return "";
}

struct Outcome {
  bool here = true;
  std::string text;  // what is wrong, or what is not here
};

Outcome run(const fs::path& folder) {
  try {
    const auto model = parsed<onnx::ModelProto>(folder / "model.onnx");
    for (const auto& node : model.graph().node()) {
      needs(operators().contains(operator_name(node)), "operator " + operator_name(node));
    }
    const fs::path data = folder / "test_data_set_0";
    std::vector<Tensor> inputs, expected;
    for (int i = 0; fs::exists(data / fmt::format("input_{}.pb", i)); ++i) {
      inputs.push_back(tensor_at(data / fmt::format("input_{}.pb", i), model.graph().input(i)));
    }
    for (int i = 0; i < model.graph().output_size(); ++i) {
      expected.push_back(tensor_at(data / fmt::format("output_{}.pb", i), model.graph().output(i)));
    }
    const std::vector<Tensor> actual = outputs_of(model, inputs);
    for (size_t i = 0; i < expected.size(); ++i) {
      if (const std::string text = difference(actual[i], expected[i]); !text.empty()) {
        return {true, fmt::format("output {}: {}", i, text)};
      }
    }
    return {};
  } catch (const NotHere& what) {
    return {false, what.what()};
  } catch (const Error& refusal) {
    return {false, refusal.what()};
  }
}

std::set<std::string> operators_of(const fs::path& folder) {
  std::set<std::string> result;
  const auto model = parsed<onnx::ModelProto>(folder / "model.onnx");
  for (const auto& node : model.graph().node()) {
    result.insert(operator_name(node));
  }
  return result;
}

bool names(const Entry& entry, const std::string& name, const std::set<std::string>& used) {
  if (entry.is_operator) return used.contains(entry.pattern);
  return fnmatch(entry.pattern.c_str(), name.c_str(), 0) == 0;
}

TEST(OnnxNodes, NoOperatorOfTheListIsHere) {
  for (const Entry& entry : entries()) {
    EXPECT_FALSE(entry.is_operator && operators().contains(entry.pattern)) << entry.pattern << ": " << entry.reason;
  }
}

TEST(OnnxNodes, EveryCaseThatAppliesPasses) {
  const std::vector<fs::path> where = folders();
  if (where.empty()) {
    GTEST_SKIP() << "SKIPPED: no cases: install libonnx-testdata, or run scripts/onnx_cases.sh";
  }
  std::vector<Entry> list = entries();
  for (const fs::path& folder : where) {
    int passed = 0, left_out = 0;
    for (const fs::path& path : cases_in(folder)) {
      const std::string name = path.filename();
      const std::set<std::string> used = operators_of(path);
      const auto entry = std::ranges::find_if(list, [&](const Entry& e) { return names(e, name, used); });
      const Outcome outcome = run(path);
      if (outcome.here && outcome.text.empty()) {
        ++passed;
        if (entry != list.end()) ++entry->passed;
      } else if (outcome.here) {
        ADD_FAILURE() << name << ": " << outcome.text;
      } else {
        ++left_out;
        EXPECT_FALSE(entry == list.end())
            << name << " needs what is not here, and not_here.txt does not say why: " << outcome.text;
        if (entry != list.end()) ++entry->uses;
      }
    }
    std::cout << folder.string() << ": " << passed << " cases pass, " << left_out << " do not apply\n";
    EXPECT_GT(passed, 500) << folder;
  }
  // A case may be there in two versions, of which one passes.
  for (const Entry& entry : list) {
    EXPECT_FALSE(entry.passed > 0 && entry.uses == 0) << "not_here.txt's " << entry.pattern << " passes";
  }
  // Debian's cases alone lack the operators of later years.
  if (!std::getenv("BEVGRAD_ONNX_CASES")) return;
  for (const Entry& entry : list) EXPECT_GT(entry.uses, 0) << "no case is like not_here.txt's " << entry.pattern;
}

}  // namespace
}  // namespace bevgrad::testing::onnx_nodes
