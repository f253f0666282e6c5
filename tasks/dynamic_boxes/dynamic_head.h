// Moving objects: CenterPoint's head (Yin et al., 2021) with mmdetection3d's names, one task.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/blocks.h"
#include "models/head.h"
#include "models/network_output.h"
#include "nn/sequential.h"
#include "tensor/random.h"

namespace bevgrad {

/// The head's maps are public under this and their own names.
inline constexpr const char* kDynamicMapPrefix = "dynamic/";
/// The head's maps of an output by their own names ("reg", ...); empty where the network has no such head.
std::map<std::string, Tensor> dynamic_maps(const NetworkOutput& output);

/// Sizes of the head; the defaults are the full-size network's.
struct DynamicHeadOptions {
  int64_t channels = 64;
  int64_t classes = 8;

  bool operator==(const DynamicHeadOptions&) const = default;
};

/// `shared_conv` (3x3 `conv`, `bn`, ReLU), then per map of `task_heads.0` a 3x3 convolution + norm + ReLU (`0.conv`,
/// `0.bn`) and a 3x3 convolution (`1`). Maps: reg 2, height 1, dim 3, rot 2, vel 2, heatmap classes.
class DynamicHead : public Head {
 public:
  DynamicHead(int64_t in_channels, const DynamicHeadOptions& options, Generator& generator);
  /// [N,C,H,W] -> "dynamic/reg" and so on, each [N,.,H,W]
  NamedTensors forward(const Tensor& x) override;

 private:
  struct Branch : Module {
    Branch(int64_t channels, int64_t outputs);
    Tensor forward(const Tensor& x);
    ConvBnRelu hidden;
    Conv2d out;
  };
  struct TaskHead : Module {
    explicit TaskHead(const DynamicHeadOptions& options);
    std::vector<std::pair<std::string, std::unique_ptr<Branch>>> branches;
  };

  ConvBnRelu shared_conv_;
  ModuleList<TaskHead> task_heads_;
};

}  // namespace bevgrad
