// run_cases FOLDER: computes the cases of FOLDER/cases.json on the tensors of FOLDER/tensors.safetensors, outputs and
// gradients into FOLDER/ours.safetensors, what failed into FOLDER/ours.json (tests/torch/compare.py writes and reads
// them).
#include <fstream>
#include <iostream>

#include "autograd/functions.h"
#include "formats/safetensors/file.h"
#include "formats/state_dict.h"
#include "torch/operations.h"

namespace bevgrad::testing {
namespace {

using nlohmann::json;

/// The views of a leaf that make it strided: ["permute", dims], ["step", dim, step] or ["expand", sizes].
Tensor viewed(Tensor x, const json& views) {
  for (const json& view : views) {
    const std::string kind = view.at(0);
    if (kind == "permute") {
      x = permute(x, view.at(1));
    } else if (kind == "step") {
      x = slice(x, view.at(1), 0, std::numeric_limits<int64_t>::max(), view.at(2));
    } else {
      x = expand(x, view.at(1));
    }
  }
  return x;
}

json run(const json& one, const std::map<std::string, Tensor>& held, std::vector<NamedTensor>& results) {
  const auto keep = [&](const std::string& name, const Tensor& tensor) {
    results.push_back({name, stored_tensor(ops::contiguous(detach(tensor)))});
    return name;
  };
  const std::string id = one.at("id");
  try {
    std::vector<Tensor> leaves, inputs;
    for (const json& input : one.at("inputs")) {
      const Tensor leaf = ops::clone(held.at(input.at("name")));
      set_requires_grad(leaf, input.at("grad"));
      leaves.push_back(leaf);
      inputs.push_back(viewed(leaf, input.at("views")));
    }
    const auto found = operations().find(one.at("op"));
    check(found != operations().end(), "run_cases: no operation {}", one.at("op").get<std::string>());
    const std::vector<Tensor> outputs = found->second(inputs, one.at("arguments"));
    json result = {{"outputs", json::array()}, {"gradients", json::array()}};
    for (size_t i = 0; i < outputs.size(); ++i) {
      result["outputs"].push_back(keep(id + ".y" + std::to_string(i), outputs[i]));
    }
    if (one.contains("dy")) {
      backward(outputs[0], held.at(one.at("dy")));
      for (size_t i = 0; i < leaves.size(); ++i) {
        const Tensor gradient = requires_grad(leaves[i]) ? grad(leaves[i]) : Tensor();
        result["gradients"].push_back(gradient.defined() ? json(keep(id + ".g" + std::to_string(i), gradient))
                                                         : json());
      }
    }
    return result;
  } catch (const std::exception& error) {
    return {{"error", error.what()}};
  }
}

}  // namespace
}  // namespace bevgrad::testing

int main(int argc, char** argv) {
  using namespace bevgrad;
  if (argc != 2) {
    std::cerr << "expected a folder\n";
    return 2;
  }
  const std::string folder = argv[1];
  std::map<std::string, Tensor> held;
  for (const NamedTensor& tensor : named_tensors(open_checkpoint(folder + "/tensors.safetensors")))
    held[tensor.name] = to_tensor(tensor.tensor, tensor.name);
  std::ifstream file(folder + "/cases.json");
  const auto cases = nlohmann::json::parse(file);
  std::vector<NamedTensor> results;
  nlohmann::json report = nlohmann::json::object();
  for (const auto& one : cases) report[one.at("id").get<std::string>()] = testing::run(one, held, results);
  write_safetensors(folder + "/ours.safetensors", results, {});
  std::ofstream(folder + "/ours.json") << report;
}
