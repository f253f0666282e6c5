// N samples side by side, as the network takes them.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "data/augmentation/ego_change.h"
#include "data/batch_copies.h"
#include "data/label_schema.h"
#include "data/sample.h"

namespace bevgrad {

/// Slot n of a streaming batch continues the sequence that slot n of the batch before it played, unless starts[n].
struct Batch {
  /// Per camera group: uint8 [N*n_g,3,H,W], channels-last memory; sample-major (sample 0's cameras, then sample 1's).
  std::vector<Tensor> images;
  std::vector<std::vector<Camera>> cameras;  ///< [N][every camera in the config's order], at the images' size
  std::vector<Tensor> points;                ///< [N] of float32 [P_n,4]
  std::vector<Pose> ego_poses;               ///< [N] ego -> world
  std::vector<Pose> true_poses;              ///< [N] without the odometry's noise
  std::vector<EgoChange> ego_changes;        ///< [N] of the records' places, by the loader's augmentation
  std::vector<double> timestamps;            ///< [N] seconds
  std::vector<int64_t> sequences;            ///< [N]
  std::vector<bool> starts;           ///< [N] true: the first frame of a stream, what came before does not belong to it
  std::vector<std::string> keys;      ///< [N]
  std::vector<int64_t> entries;       ///< [N] of the loader's dataset; empty where no loader made the batch
  std::vector<std::string> datasets;  ///< [N] name of the list group or val set

  Tensor lane;        ///< uint8 [N,lane classes,Hl,Wl]
  Tensor road;        ///< uint8 [N,road classes,Hl,Wl]
  Tensor visibility;  ///< uint8 [N,3,Hl,Wl]; undefined where a sample of the batch has none
  /// uint8 [N,levels,rows,columns] as in Labels; 255 where a sample has none, undefined where none has.
  Tensor voxels;
  Tensor voxels_seen;  ///< the same; every bit is set where it is not known
  std::vector<std::vector<LabelShape>> lane_shapes, road_shapes;
  std::vector<bool> has_instances;  ///< [N]
  std::vector<std::vector<Instance>> instances;
  std::vector<bool> has_boxes;  ///< [N]
  std::vector<std::vector<Box3d>> boxes;

  /// Images, lane and road on a device, where the loader was asked for them.
  std::shared_ptr<BatchCopies> on_device;
  /// What tasks made of its objects ahead of their losses, by names of their own, where the losses are computed.
  std::map<std::string, Tensor> targets;

  int64_t size() const { return static_cast<int64_t>(timestamps.size()); }
};

/// Puts samples side by side; `starts` has one entry a sample. Throws where the samples' cameras, image sizes (within a
/// group) or rasters differ from `options` and from one another.
Batch collate(const std::vector<Sample>& samples, const std::vector<bool>& starts, const DatasetOptions& options);

}  // namespace bevgrad
