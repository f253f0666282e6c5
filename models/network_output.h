// The maps that a network gives, by name.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"

namespace bevgrad {

/// What the network gives without any head. Heads add their own.
inline constexpr const char* kBevCamera = "bev_camera";          ///< [N,C,Hb,Wb] view_transfer
inline constexpr const char* kBevLidar = "bev_lidar";            ///< [N,3*neck_channels,Hb,Wb] lidar_bev_backbone
inline constexpr const char* kBevFused = "bev_fused";            ///< [N,C,Hb,Wb] fuser: what history stores
inline constexpr const char* kFusionWeights = "fusion_weights";  ///< [N,1+history,Hb,Wb], 0 where a frame is masked
/// [N,C,Hb,Wb] after temporal fusion; bev_fused where there is none.
inline constexpr const char* kBevTemporal = "bev_temporal";

struct NetworkMap {
  std::string name;     ///< public: `predict` writes it under this name
  Tensor map;           ///< float32, logits before the sigmoid
  std::string made_by;  ///< the stages whose work shows in it first, for messages
};

/// Maps by their public names, in the order in which they were computed. What a network does not build is not there.
class NetworkOutput {
 public:
  /// Adds a map, or replaces the one of this name.
  void set(std::string_view name, Tensor map, std::string_view made_by = "");
  bool has(std::string_view name) const { return find(name) != nullptr; }
  /// Throws Error naming the maps that there are.
  const Tensor& at(std::string_view name) const;
  /// Undefined where there is no such map.
  Tensor get(std::string_view name) const;

  bool empty() const { return maps_.empty(); }
  auto begin() const { return maps_.begin(); }
  auto end() const { return maps_.end(); }

 private:
  const NetworkMap* find(std::string_view name) const;

  std::vector<NetworkMap> maps_;
};

}  // namespace bevgrad
