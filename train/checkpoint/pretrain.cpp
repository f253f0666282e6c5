#include "train/checkpoint/pretrain.h"

#include <map>
#include <unordered_map>

#include "autograd/autograd.h"
#include "base/error.h"
#include "tensor/ops.h"

namespace bevgrad {

namespace {

using Names = std::unordered_map<std::string, Tensor>;

size_t count_known(const std::vector<std::string>& names, const Names& model) {
  size_t known = 0;
  for (const std::string& name : names) known += model.contains(name) ? 1 : 0;
  return known;
}

/// "stage1_backbone0 (216), fuser (7)"
std::string by_module(const std::vector<std::string>& names) {
  std::map<std::string, int> counts;
  for (const std::string& name : names) ++counts[name.substr(0, name.find_first_of(".:"))];
  std::string out;
  for (const auto& [module, count] : counts) out += fmt::format("{}{} ({})", out.empty() ? "" : ", ", module, count);
  return out;
}

}  // namespace

PretrainReport load_pretrained(const std::string& path, const StateDict& model) {
  const CheckpointFile file = open_checkpoint(path);
  const std::vector<NamedTensor> tensors = named_tensors(file);
  Names targets;
  for (const auto& [name, tensor] : model) targets.emplace(name, tensor);

  std::vector<std::string> names;
  for (const NamedTensor& tensor : tensors) names.push_back(tensor.name);
  std::vector<std::string> cut = names;
  PretrainReport report{.file = path, .stripped_prefix = strip_common_prefixes(cut)};
  if (count_known(names, targets) >= count_known(cut, targets)) {
    report.stripped_prefix.clear();
  } else {
    names = std::move(cut);
  }

  std::unordered_map<std::string, bool> seen;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const auto found = targets.find(names[i]);
    if (found == targets.end()) {
      report.unexpected.push_back(names[i]);
      continue;
    }
    seen[names[i]] = true;
    const StoredTensor& stored = tensors[i].tensor;
    if (stored.sizes != found->second.sizes()) {
      report.other_shape.push_back(fmt::format("{}: the file has {}, the model {}", names[i], to_string(stored.sizes),
                                               to_string(found->second.sizes())));
      continue;
    }
    const NoGradGuard no_grad;
    ops::copy_(found->second, to_tensor(stored, fmt::format("{}: {}", path, tensors[i].name)));
    report.loaded.push_back(names[i]);
  }
  for (const auto& [name, tensor] : model) {
    if (!seen.contains(name)) report.missing.push_back(name);
  }
  check(!report.loaded.empty() || model.empty(),
        "{}: none of its {} tensors fits a parameter of the model (its first is '{}')", path, tensors.size(),
        tensors.empty() ? "" : names[0]);
  return report;
}

std::string PretrainReport::summary() const {
  std::string out = fmt::format("{}: {} loaded, {} missing, {} unexpected, {} of another shape", file, loaded.size(),
                                missing.size(), unexpected.size(), other_shape.size());
  if (!stripped_prefix.empty()) out += fmt::format(" (prefix '{}' cut)", stripped_prefix);
  if (!missing.empty()) out += "\n  missing, kept as initialised: " + by_module(missing);
  if (!unexpected.empty()) out += "\n  unexpected, not used: " + by_module(unexpected);
  for (const std::string& line : other_shape) out += "\n  other shape: " + line;
  return out;
}

}  // namespace bevgrad
