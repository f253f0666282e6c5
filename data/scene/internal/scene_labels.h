// What is true around the ego at one moment: a layout and its actors as labels in the ego frame.
#pragma once
#include <vector>

#include "data/label_schema.h"
#include "data/sample.h"
#include "data/scene/drive.h"
#include "data/scene/layout.h"

namespace bevgrad::scene {

/// A layout's marks and elements as shapes of a schema's classes, in the world frame. What the schema does not name is
/// left out.
struct WorldLabels {
  std::vector<LabelShape> lanes, roads;
  std::vector<Instance> instances;
};

/// `bridge_gaps`: a dashed line is one label instead of one a dash.
WorldLabels world_labels(const Layout& layout, const LabelSchema& schema, bool bridge_gaps);

/// Shapes, instances and boxes that reach into the grid, cut to it, in the ego frame; rasters of the shapes.
/// `lidar_hits` are the returns an actor.
Labels labels_at(const WorldLabels& world, const Drive& drive, const DriveFrame& frame,
                 const std::vector<int>& lidar_hits, const LabelSchema& schema);

}  // namespace bevgrad::scene
