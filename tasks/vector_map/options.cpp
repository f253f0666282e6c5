#include "tasks/vector_map/options.h"

#include <algorithm>

#include "base/near_names.h"

namespace bevgrad {

VectorHeadOptions vector_head_options(const config::Config& proto) {
  const config::VectorMapTask& task = proto.tasks().vector_map();
  return {.max_vectors = task.max_vectors(),
          .points = task.points(),
          .channels = task.channels(),
          .heads = task.heads(),
          .layers = task.layers(),
          .sampling_points = task.sampling_points(),
          .feedforward = task.feedforward(),
          .classes = vector_classes(proto).count()};
}

VectorClasses vector_classes(const config::Config& proto) {
  const config::Network& network = proto.network();
  const auto& lanes = network.static_head().lane_classes();
  const auto& roads = network.static_head().road_classes();
  VectorClasses classes{{lanes.begin(), lanes.end()}, lanes.size()};
  for (const std::string& name : proto.tasks().vector_map().road_classes()) {
    classes.names.push_back(name);
    classes.road.push_back(std::ranges::find(roads, name) - roads.begin());
  }
  return classes;
}

void judge_vector_map(const configs::Judge& judge, const config::Config& proto) {
  const config::VectorMapTask& task = proto.tasks().vector_map();
  const std::string at = "tasks.vector_map.";
  judge.not_negative(at + "weight", task.weight());
  judge.count(at + "max_vectors", task.max_vectors(), 1, 1000);
  judge.count(at + "points", task.points(), 2, 1000);
  judge.count(at + "channels", task.channels(), 1, 4096);
  judge.count(at + "heads", task.heads(), 1, 64);
  judge.require(task.channels() % task.heads() == 0, at + "heads",
                "{} heads do not divide tasks.vector_map.channels, {}", task.heads(), task.channels());
  judge.count(at + "layers", task.layers(), 1, 64);
  judge.count(at + "sampling_points", task.sampling_points(), 1, 64);
  judge.count(at + "feedforward", task.feedforward(), 1, 16384);
  judge.not_negative(at + "focal", task.focal());
  judge.not_negative(at + "point_l1", task.point_l1());
  judge.not_negative(at + "direction", task.direction());
  judge.not_negative(at + "edge", task.edge());
  judge.probability(at + "score_threshold", task.score_threshold());
  const config::Network& network = proto.network();
  const auto& known = network.static_head().road_classes();
  for (int i = 0; i < task.road_classes_size(); ++i) {
    const std::string& name = task.road_classes(i);
    const std::string field = fmt::format("{}road_classes[{}]", at, i);
    judge.require(std::ranges::find(known, name) != known.end(), field,
                  "\"{}\" is none of network.static_head.road_classes{}", name,
                  did_you_mean(name, {known.begin(), known.end()}));
  }
  if (task.road_classes_size() > 0) judge.names(at + "road_classes", task.road_classes());
}

}  // namespace bevgrad
