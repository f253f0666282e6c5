#include <unordered_map>

#include "base/error.h"
#include "formats/torch/writer.h"
#include "formats/value.h"
#include "train/checkpoint/checkpoint.h"

namespace bevgrad {

namespace {

// The version whose dictionary this is: Lightning migrates older files on loading.
constexpr const char* kLightningVersion = "2.4.0";

NodeId number(Document& document, const std::map<std::string, double>& numbers, const char* name, double otherwise) {
  const auto found = numbers.find(name);
  return document.make_float(found == numbers.end() ? otherwise : found->second);
}

/// torch.optim.AdamW's state: tensors by the parameter's index, the indices in one group with the names beside them.
NodeId optimizer_state(Document& document, const Checkpoint& checkpoint) {
  std::unordered_map<std::string, NodeId> states;
  std::vector<std::string> names;
  for (const auto& [state, tensors] : checkpoint.optimizer) {
    for (const auto& [name, tensor] : tensors) {
      const auto [at, added] = states.try_emplace(name, 0);
      if (added) {
        names.push_back(name);
        at->second = document.make_dict();
      }
      document.insert(at->second, state, document.make_tensor(tensor));
    }
  }
  const auto& numbers = checkpoint.optimizer_numbers;
  const auto step = numbers.find("step");
  const NodeId by_index = document.make_dict();
  std::vector<NodeId> indices;
  std::vector<NodeId> labels;
  for (size_t i = 0; i < names.size(); ++i) {
    const NodeId state = states.at(names[i]);
    const double steps = step == numbers.end() ? static_cast<double>(checkpoint.global_step) : step->second;
    if (!checkpoint.optimizer.contains("step")) document.insert(state, "step", document.make_tensor(scalar(steps)));
    document.insert(by_index, document.make_int(static_cast<int64_t>(i)), state);
    indices.push_back(document.make_int(static_cast<int64_t>(i)));
    labels.push_back(document.make_string(names[i]));
  }
  const NodeId group = document.make_dict();
  document.insert(group, "lr", number(document, numbers, "lr", 0));
  document.insert(
      group, "betas",
      document.make_tuple({number(document, numbers, "beta1", 0.9), number(document, numbers, "beta2", 0.999)}));
  document.insert(group, "eps", number(document, numbers, "eps", 1e-8));
  document.insert(group, "weight_decay", number(document, numbers, "weight_decay", 0.01));
  document.insert(group, "amsgrad", document.make_bool(false));
  document.insert(group, "maximize", document.make_bool(false));
  document.insert(group, "foreach", 0);
  document.insert(group, "capturable", document.make_bool(false));
  document.insert(group, "differentiable", document.make_bool(false));
  document.insert(group, "fused", 0);
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

}  // namespace bevgrad
