#include "tasks/dynamic_boxes/dynamic_head.h"

#include "autograd/branches.h"
#include "nn/init.h"
#include "tasks/dynamic_boxes/boxes.h"

namespace bevgrad {

std::map<std::string, Tensor> dynamic_maps(const NetworkOutput& output) {
  std::map<std::string, Tensor> maps;
  const auto add = [&](const char* name) {
    const std::string public_name = std::string(kDynamicMapPrefix) + name;
    if (output.has(public_name)) maps[name] = output.at(public_name);
  };
  for (const DynamicMap& map : kDynamicMaps) add(map.name);
  add("heatmap");
  return maps;
}

DynamicHead::Branch::Branch(int64_t channels, int64_t outputs)
    : hidden(channels, channels, conv3x3()), out(channels, outputs, conv3x3()) {
  register_module("0", hidden);
  register_module("1", out);
}

Tensor DynamicHead::Branch::forward(const Tensor& x) {
  return module_call(*this, [&] { return out.forward(hidden.forward(x, true)); });
}

DynamicHead::TaskHead::TaskHead(const DynamicHeadOptions& options) {
  const auto add = [&](const char* name, int64_t channels) {
    branches.emplace_back(name, std::make_unique<Branch>(options.channels, channels));
    register_module(name, *branches.back().second);
  };
  for (const DynamicMap& map : kDynamicMaps) add(map.name, map.channels);
  add("heatmap", options.classes);
}

DynamicHead::DynamicHead(int64_t in_channels, const DynamicHeadOptions& options, Generator& generator)
    : shared_conv_(in_channels, options.channels, conv3x3()) {
  TaskHead& head = task_heads_.emplace(options);
  register_module("shared_conv", shared_conv_);
  register_module("task_heads", task_heads_);
  init::reset_parameters_resnet(*this, generator);
  for (auto& [name, branch] : head.branches) {
    init::normal(branch->out.weight, 0, 0.01, generator);
    if (name == "heatmap") init::constant(branch->out.bias, init::prior_bias(0.1));
  }
}

NamedTensors DynamicHead::forward(const Tensor& x) {
  return module_call(*this, [&] {
    const Tensor shared = shared_conv_.forward(x);
    NamedTensors maps;
    std::vector<std::function<void()>> branches;
    for (auto& [name, branch] : task_heads_[0].branches) {
      maps.emplace_back(kDynamicMapPrefix + name, Tensor());
      branches.push_back(
          [&shared, branch = branch.get(), at = maps.size() - 1, &maps] { maps[at].second = branch->forward(shared); });
    }
    run_branches(branches);
    return maps;
  });
}

}  // namespace bevgrad
