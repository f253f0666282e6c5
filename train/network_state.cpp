#include "train/network_state.h"

#include <cmath>
#include <map>
#include <set>

#include "tensor/ops.h"

namespace bevgrad {
namespace {

Tensor to_cpu(const Tensor& tensor) {
  return tensor.defined() ? ops::to(detach(tensor), Device()) : tensor;
}

}  // namespace

NetworkInput network_input(const Batch& batch) {
  return {batch.on_device ? batch.on_device->images() : batch.images, batch.cameras, batch.points};
}

StreamFrames stream_frames(const Batch& batch) {
  StreamFrames frames{.moments = {}, .starts = batch.starts};
  for (size_t n = 0; n < batch.timestamps.size(); ++n)
    frames.moments.push_back({batch.sequences[n], batch.timestamps[n], batch.ego_poses[n]});
  return frames;
}

NetworkOutput on_cpu(const NetworkOutput& output) {
  NetworkOutput copy;
  for (const NetworkMap& entry : output) copy.set(entry.name, to_cpu(entry.map), entry.made_by);
  return copy;
}

History on_cpu(const History& history) {
  History copy = history;
  for (Tensor& feature : copy.prev_feat_list) feature = to_cpu(feature);
  return copy;
}

StateDict on_cpu(const StateDict& tensors) {
  StateDict copies;
  for (const auto& [name, tensor] : tensors) copies.emplace_back(name, to_cpu(tensor));
  return copies;
}

void restore_state(const NamedTensors& model, const StateDict& saved, const std::string& source) {
  const NoGradGuard no_grad;
  std::map<std::string, Tensor> by_name(saved.begin(), saved.end());
  for (const auto& [name, tensor] : model) {
    const auto found = by_name.find(name);
    check(found != by_name.end(), "{}: it lacks {}, which the network has: is it of another config?", source, name);
    check(found->second.sizes() == tensor.sizes(), "{}: {} is {}, the network's {}: is it of another config?", source,
          name, describe(found->second), describe(tensor));
    ops::copy_(tensor, found->second);
    by_name.erase(found);
  }
  check(by_name.empty(), "{}: it holds {}, which the network has not: is it of another config?", source,
        by_name.empty() ? "" : by_name.begin()->first);
}

PretrainReport load_network(Network& network, const std::string& path, RunLog& log) {
  PretrainReport report = load_pretrained(path, network.state_dict());
  log.info(report.summary());
  std::vector<std::string> lacking = report.other_shape;
  std::set<std::string> untrained;
  for (const std::string& name : report.missing) {
    const Stage* stage = network.stage_of(name);
    if (stage != nullptr && stage->is_neutral_untrained) {
      untrained.insert(stage->name);
    } else {
      lacking.push_back(name);
    }
  }
  check(lacking.empty(), "{}: {} of the network's {} tensors are missing or of another shape, the first is {}", path,
        lacking.size(), network.state_dict().size(), lacking.empty() ? "" : lacking.front());
  for (const std::string& name : untrained)
    log.warn(fmt::format("{}: it has no {}; untrained, it passes its input on", path, name));
  return report;
}

std::string find_not_finite(Network& network, const NetworkOutput& output, const Losses& losses) {
  for (const auto& [name, tensor] : network.state_dict()) {
    if (is_floating_point(tensor.dtype()) && !ops::all_finite(tensor)) return fmt::format("parameter {}", name);
  }
  // In the order in which they were computed.
  for (const NetworkMap& entry : output) {
    if (!ops::all_finite(entry.map)) return fmt::format("{} ({})", entry.name, entry.made_by);
  }
  for (const auto& [name, value] : losses.terms) {
    if (!std::isfinite(value)) return fmt::format("the loss {}, whose input is finite (a label?)", name);
  }
  return "the sum of the losses";
}

}  // namespace bevgrad
