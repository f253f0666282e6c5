#include <unordered_map>

#include "base/error.h"
#include "formats/torch/writer.h"
#include "formats/value.h"
#include "train/checkpoint/checkpoint.h"

namespace bevgrad {

namespace {

// The version whose dictionary this is: Lightning migrates older files on loading.
constexpr const char* kLightningVersion = "2.4.0";

NodeId to_node(Document& document, const Hyperparameter& value) {
  if (const auto* number = std::get_if<double>(&value)) return document.make_float(*number);
  if (const auto* flag = std::get_if<bool>(&value)) return document.make_bool(*flag);
  if (std::holds_alternative<std::monostate>(value)) return 0;  // None
  std::vector<NodeId> elements;
  for (const double element : std::get<std::vector<double>>(value)) elements.push_back(document.make_float(element));
  return document.make_tuple(std::move(elements));
}

/// The state of torch.optim's class: tensors by the parameter's index, the indices in one group with the names beside
/// them.
NodeId optimizer_state(Document& document, const Checkpoint& checkpoint) {
  std::unordered_map<std::string, NodeId> states;
  std::vector<std::string> names = checkpoint.optimized;
  for (const auto& [kind, tensors] : checkpoint.optimizer) {
    for (const auto& [name, tensor] : tensors) {
      const auto [at, added] = states.try_emplace(name, 0);
      if (added) {
        if (checkpoint.optimized.empty()) names.push_back(name);
        at->second = document.make_dict();
      }
      document.insert(at->second, kind, document.make_tensor(tensor));
    }
  }
  const NodeId by_index = document.make_dict();
  std::vector<NodeId> indices;
  std::vector<NodeId> labels;
  for (size_t i = 0; i < names.size(); ++i) {
    const NodeId index = document.make_int(static_cast<int64_t>(i));
    if (const auto state = states.find(names[i]); state != states.end())
      document.insert(by_index, document.make_int(static_cast<int64_t>(i)), state->second);
    indices.push_back(index);
    labels.push_back(document.make_string(names[i]));
  }
  const NodeId group = document.make_dict();
  const auto lr = checkpoint.optimizer_numbers.find("lr");
  document.insert(group, "lr", document.make_float(lr == checkpoint.optimizer_numbers.end() ? 0.0 : lr->second));
  for (const auto& [name, value] : checkpoint.hyperparameters) document.insert(group, name, to_node(document, value));
  document.insert(group, "params", document.make_list(std::move(indices)));
  document.insert(group, "param_names", document.make_list(std::move(labels)));
  const NodeId optimizer = document.make_dict();
  document.insert(optimizer, "state", by_index);
  document.insert(optimizer, "param_groups", document.make_list({group}));
  return optimizer;
}

}  // namespace

void save_lightning_checkpoint(const std::string& path, const Checkpoint& checkpoint) {
  Document document(path);
  const NodeId state_dict = document.make_ordered_dict();
  for (const auto& [name, tensor] : checkpoint.state_dict) {
    document.insert(state_dict, name, document.make_tensor(tensor));
  }
  const NodeId root = document.make_dict();
  document.insert(root, "epoch", document.make_int(checkpoint.epoch));
  document.insert(root, "global_step", document.make_int(checkpoint.global_step));
  document.insert(root, "pytorch-lightning_version", document.make_string(kLightningVersion));
  document.insert(root, "state_dict", state_dict);
  document.insert(root, "loops", document.make_dict());
  document.insert(root, "callbacks", document.make_dict());
  document.insert(root, "optimizer_states", document.make_list({optimizer_state(document, checkpoint)}));
  document.insert(root, "lr_schedulers", document.make_list());
  const NodeId hyper = document.make_dict();
  document.insert(hyper, "config", document.make_string(checkpoint.config));
  document.insert(root, "hparams_name", document.make_string("kwargs"));
  document.insert(root, "hyper_parameters", hyper);
  document.root = root;
  write_torch(path, document);
}

std::map<std::string, double> numbers_of(const Hyperparameters& hyperparameters) {
  std::map<std::string, double> numbers;
  for (const auto& [name, value] : hyperparameters) {
    if (const auto* number = std::get_if<double>(&value)) numbers[name] = *number;
    const auto* elements = std::get_if<std::vector<double>>(&value);
    if (!elements) continue;
    const std::string singular = name.ends_with('s') ? name.substr(0, name.size() - 1) : name;
    for (size_t i = 0; i < elements->size(); ++i) numbers[singular + std::to_string(i + 1)] = (*elements)[i];
  }
  return numbers;
}

}  // namespace bevgrad
