#include "train/checkpoint/trained_config.h"

#include <google/protobuf/util/message_differencer.h>

#include <filesystem>
#include <optional>

#include "base/error.h"
#include "configs/load.h"
#include "formats/bytes.h"
#include "formats/hdf5/tensor_file.h"
#include "formats/state_dict.h"

namespace bevgrad {
namespace {

std::optional<std::string> stored_config(const std::string& ckpt) {
  // Of HDF5 the attribute alone is read.
  if (std::filesystem::is_regular_file(ckpt) && detect_format(open_file(ckpt)) == FileFormat::Hdf5)
    return Hdf5Reader(ckpt).text_attribute("", "config");
  const CheckpointFile file = open_checkpoint(ckpt);
  if (!file.root().is_mapping()) return {};
  for (const char* group : {"hyper_parameters", ""}) {
    const std::optional<Value> holder = *group == 0 ? file.root() : file.root().find(group);
    if (!holder || !holder->is_mapping()) continue;
    const std::optional<Value> text = holder->find("config");
    if (text && text->is_string()) return text->as_string();
  }
  return {};
}

/// What two configs both have on.
struct SharedTasks {
  bool static_task, dynamic_task, occupancy_task, attribute_task, temporal;
};

/// What of a config says how weights are to be read. Shapes tell the rest; and thresholds, limits and mountings of
/// cameras are free.
config::Config meaning_of(const config::Config& full, const SharedTasks& shared) {
  config::Config kept;
  *kept.mutable_grid() = full.grid();
  *kept.mutable_sensors() = full.sensors();
  for (config::CameraGroup& group : *kept.mutable_sensors()->mutable_groups())
    for (config::Camera& camera : *group.mutable_cameras()) {
      config::Camera named;
      named.set_name(camera.name());
      named.set_model(camera.model());
      camera = named;
    }
  config::Network& network = *kept.mutable_network();
  network = full.network();
  network.mutable_lidar()->clear_max_pillars();
  config::StaticHead& lanes = *network.mutable_static_head();
  lanes.clear_max_instances(), lanes.clear_score_threshold(), lanes.clear_nms_iou();
  config::DynamicHead& boxes = *network.mutable_dynamic_head();
  boxes.clear_max_boxes(), boxes.clear_score_threshold(), boxes.clear_nms_iou();
  if (!shared.static_task) network.clear_static_head();
  if (!shared.dynamic_task) network.clear_dynamic_head();
  if (!full.tasks().enable_lidar()) network.clear_lidar();
  if (shared.occupancy_task) {
    config::OccupancyTask& voxels = *kept.mutable_tasks()->mutable_occupancy();
    voxels.set_voxel(full.tasks().occupancy().voxel());
    voxels.set_z_min(full.tasks().occupancy().z_min());
    *voxels.mutable_classes() = full.tasks().occupancy().classes();
  }
  if (shared.attribute_task)
    for (const auto& [from, to] :
         {std::pair{&full.tasks().attributes().boxes(), kept.mutable_tasks()->mutable_attributes()->mutable_boxes()},
          std::pair{&full.tasks().attributes().lanes(), kept.mutable_tasks()->mutable_attributes()->mutable_lanes()}})
      for (const config::AttributeKind& kind : *from) {
        config::AttributeKind& named = *to->Add();
        named.set_name(kind.name());
        *named.mutable_values() = kind.values();
      }
  if (shared.temporal) {
    config::Temporal& history = *kept.mutable_temporal();
    history.set_mode(full.temporal().mode());
    *history.mutable_intervals() = full.temporal().intervals();
    *history.mutable_distances() = full.temporal().distances();
    history.set_fusion(full.temporal().fusion());
    history.set_overlap(full.temporal().overlap());
  }
  return kept;
}

}  // namespace

void check_trained_config(const std::string& ckpt, const configs::Document& document) {
  const std::optional<std::string> text = stored_config(ckpt);
  if (!text || text->empty()) return;
  config::Config trained;
  try {
    trained = configs::parse_document(*text, ckpt).proto;
    configs::fill_defaults(trained);
  } catch (const UsageError&) {
    return;
  }
  const config::Config& here = document.proto;
  const config::Tasks &then = trained.tasks(), &now = here.tasks();
  const SharedTasks shared = {.static_task = then.static_task() && now.static_task(),
                              .dynamic_task = then.dynamic_task() && now.dynamic_task(),
                              .occupancy_task = then.occupancy_task() && now.occupancy_task(),
                              .attribute_task = then.attribute_task() && now.attribute_task(),
                              .temporal = then.enable_static_temporal() && now.enable_static_temporal()};
  google::protobuf::util::MessageDifferencer differencer;
  differencer.set_message_field_comparison(google::protobuf::util::MessageDifferencer::EQUIVALENT);
  std::string differences;
  differencer.ReportDifferencesToString(&differences);
  if (differencer.Compare(meaning_of(trained, shared), meaning_of(here, shared))) return;
  const std::string first = differences.substr(0, differences.find('\n'));
  throw UsageError(
      fmt::format("{}: it was trained with another config than {} ({}); a file of weights alone, which "
                  "`bevgrad convert` writes as .safetensors, is not asked",
                  ckpt, document.source, first));
}

}  // namespace bevgrad
