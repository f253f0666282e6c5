#include "train/network_state.h"

#include <cmath>
#include <map>

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

std::vector<FrameMoment> moments_of(const Batch& batch) {
  std::vector<FrameMoment> moments;
  for (size_t n = 0; n < batch.timestamps.size(); ++n)
    moments.push_back({batch.sequences[n], batch.timestamps[n], batch.ego_poses[n]});
  return moments;
}

NetworkOutput on_cpu(const NetworkOutput& output) {
  NetworkOutput copy = output;
  for (Tensor* map : {&copy.bev_camera, &copy.bev_lidar, &copy.bev_fused, &copy.fusion_weights, &copy.bev_temporal,
                      &copy.lane_logits, &copy.road_logits, &copy.instance_heatmap, &copy.instance_box})
    *map = to_cpu(*map);
  for (auto& [name, map] : copy.dynamic) map = to_cpu(map);
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
  bool lacks_fusion = false;
  for (const std::string& name : report.missing) {
    if (name.starts_with("bev_static_temporal_fusion.")) {
      lacks_fusion = true;
    } else {
      lacking.push_back(name);
    }
  }
  check(lacking.empty(), "{}: {} of the network's {} tensors are missing or of another shape, the first is {}", path,
        lacking.size(), network.state_dict().size(), lacking.empty() ? "" : lacking.front());
  if (lacks_fusion) log.warn(fmt::format("{}: it has no temporal fusion; untrained, it passes its input on", path));
  return report;
}

std::string find_not_finite(Network& network, const NetworkOutput& output, const Losses& losses) {
  for (const auto& [name, tensor] : network.state_dict()) {
    if (is_floating_point(tensor.dtype()) && !ops::all_finite(tensor)) return fmt::format("parameter {}", name);
  }
  // In the order in which they are computed.
  const std::pair<const char*, const Tensor*> maps[] = {
      {"bev_camera (stage1_backbone, stage1_neck, view_transfer)", &output.bev_camera},
      {"bev_lidar (lidar_vfe, lidar_bev_backbone)", &output.bev_lidar},
      {"bev_fused (fuser)", &output.bev_fused},
      {"bev_temporal (bev_static_temporal_fusion)", &output.bev_temporal},
      {"lane_logits (bev_static_head)", &output.lane_logits},
      {"road_logits (bev_static_head)", &output.road_logits},
      {"instance_heatmap (bev_static_head)", &output.instance_heatmap},
      {"instance_box (bev_static_head)", &output.instance_box}};
  for (const auto& [name, tensor] : maps) {
    if (tensor->defined() && !ops::all_finite(*tensor)) return name;
  }
  for (const auto& [name, tensor] : output.dynamic) {
    if (!ops::all_finite(tensor)) return fmt::format("{} (bev_dynamic_head)", name);
  }
  for (const auto& [name, value] : losses.terms) {
    if (!std::isfinite(value)) return fmt::format("the loss {}, whose input is finite (a label?)", name);
  }
  return "the sum of the losses";
}

}  // namespace bevgrad
