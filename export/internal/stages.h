// The network's stages as ONNX nodes.
#pragma once
#include <vector>

#include "internal/layers.h"

namespace bevgrad {

/// Camera images of one group [N*cameras,3,H,W], normalised -> the neck's map.
OnnxMap export_trunk(OnnxLayers& layers, const NetworkOptions& options, size_t group, const std::string& images);
/// The neck's maps of all groups, read where the inputs grid_<group> say -> [N,bev_channels,rows,columns].
OnnxMap export_view_transfer(OnnxLayers& layers, const NetworkOptions& options, const std::vector<OnnxMap>& features);
/// The inputs pillars and pillar_cells -> [N,3*neck_channels,rows,columns]. `batch`: int64 [1].
OnnxMap export_lidar(OnnxLayers& layers, const NetworkOptions& options, const std::string& batch);
OnnxMap export_fuser(OnnxLayers& layers, const std::vector<OnnxMap>& maps);

struct OnnxTemporal {
  OnnxMap fused;
  std::string weights;  ///< [N,1+history,rows,columns]
};
/// bev_fused and the inputs of the history.
OnnxTemporal export_temporal_fusion(OnnxLayers& layers, const NetworkOptions& options, const OnnxMap& current);

/// Maps of a head under their public names.
std::vector<std::pair<std::string, OnnxMap>> export_static_head(OnnxLayers& layers, const OnnxMap& feature);
std::vector<std::pair<std::string, OnnxMap>> export_dynamic_head(OnnxLayers& layers, const OnnxMap& feature);

}  // namespace bevgrad
