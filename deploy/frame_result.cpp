#include "deploy/frame_result.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "evaluation/attributes.h"
#include "evaluation/lane_vectors.h"
#include "formats/hdf5/tensor_file.h"
#include "tensor/ops.h"
#include "train/network_state.h"

namespace bevgrad {
namespace {

using nlohmann::ordered_json;

// To a tenth of a millimetre, a milliradian's tenth: what is behind it is noise.
double rounded(double value) {
  return std::round(value * 1e4) / 1e4;
}

std::string class_name(const std::vector<std::string>& names, int64_t id) {
  const auto index = static_cast<size_t>(id);
  return index < names.size() ? names[index] : std::to_string(id);
}

ordered_json attributes_json(const std::vector<int>& attributes, const std::vector<AttributeKind>& kinds) {
  ordered_json said = ordered_json::object();
  for (size_t k = 0; k < kinds.size(); ++k)
    if (const int value = value_of(attributes, k); value >= 0)
      said[kinds[k].name] = kinds[k].values[static_cast<size_t>(value)];
  return said;
}

Tensor bytes_of(const ProbabilityRaster& raster) {
  const Tensor bytes = empty({1, raster.channels, raster.rows, raster.columns}, {.dtype = DType::UInt8});
  uint8_t* to = bytes.data<uint8_t>();
  for (const float value : raster.values) *to++ = static_cast<uint8_t>(std::lround(value * 255));
  return bytes;
}

}  // namespace

EvaluationFrame predictions_of(const PlayedFrame& frame, const TaskList& tasks) {
  const NetworkOutput maps = on_cpu(frame.maps);
  EvaluationFrame predictions;
  for (const ActiveTask& active : tasks) active.task->add_predictions(predictions, maps, 0);
  return predictions;
}

ordered_json objects_json(const EvaluationFrame& predictions, const EvaluationOptions& options) {
  const LabelSchema& labels = options.labels;
  ordered_json objects = ordered_json::object();
  if (!predictions.lane.empty()) {
    ordered_json& lanes = objects["lanes"] = ordered_json::array();
    const LaneVectorOptions vectors{.threshold = options.lane_vector_threshold, .points = options.lane_vector_points};
    for (const LaneVector& lane : lane_vectors(predictions.lane, labels.grid, vectors)) {
      ordered_json points = ordered_json::array();
      for (const Vec2 point : lane.points) points.push_back({rounded(point.x), rounded(point.y)});
      lanes.push_back({{"class", class_name(labels.lane_classes, lane.class_id)},
                       {"score", rounded(lane.score)},
                       {"points", std::move(points)}});
      if (predictions.lane_attributes.empty()) continue;
      const auto said = attributes_along(predictions.lane_attributes, labels.grid, labels.lane_attributes,
                                         class_name(labels.lane_classes, lane.class_id), lane.points);
      lanes.back()["attributes"] = attributes_json(values_of(said), labels.lane_attributes);
    }
    ordered_json& instances = objects["instances"] = ordered_json::array();
    for (const auto& [box, score] : predictions.instances)
      instances.push_back({{"class", class_name(labels.instance_classes, box.class_id)},
                           {"score", rounded(score)},
                           {"x", rounded(box.x)},
                           {"y", rounded(box.y)},
                           {"w", rounded(box.w)},
                           {"h", rounded(box.h)},
                           {"angle", rounded(box.angle)}});
  }
  ordered_json& boxes = objects["boxes"] = ordered_json::array();
  for (const ScoredBox& scored : predictions.boxes) {
    const Box3d& box = scored.box;
    boxes.push_back({{"class", class_name(labels.dynamic_classes, box.class_id)},
                     {"score", rounded(scored.score)},
                     {"x", rounded(box.x)},
                     {"y", rounded(box.y)},
                     {"z", rounded(box.z)},
                     {"l", rounded(box.l)},
                     {"w", rounded(box.w)},
                     {"h", rounded(box.h)},
                     {"yaw", rounded(box.yaw)},
                     {"vx", rounded(box.vx)},
                     {"vy", rounded(box.vy)}});
    if (box.track >= 0) boxes.back()["track"] = box.track;
    if (!box.attributes.empty()) boxes.back()["attributes"] = attributes_json(box.attributes, labels.box_attributes);
  }
  return objects;
}

void write_rasters(const std::string& path, const EvaluationFrame& predictions, const PlayedFrame& frame,
                   const TaskList& tasks) {
  Hdf5Writer writer(path);
  if (!predictions.lane.empty()) writer.write("lane", bytes_of(predictions.lane));
  if (!predictions.road.empty()) writer.write("road", bytes_of(predictions.road));
  for (const ActiveTask& active : tasks)
    for (const auto& [name, rows] : active.task->decode(frame.maps))
      writer.write(name, ops::contiguous(ops::to(ops::to(rows, DType::Float32), Device())));
  writer.commit();
}

}  // namespace bevgrad
