// A trained network, and the streams of frames that are played through it: what `predict`, the export, the server of
// streams and the C API share.
#pragma once
#include <optional>
#include <string>

#include "configs/document.h"
#include "models/history_player.h"
#include "models/network.h"
#include "tasks/task_list.h"
#include "tensor/device.h"
#include "train/logging/run_log.h"
#include "train/parts.h"

namespace bevgrad {

struct TrainedNetworkOptions {
  std::string ckpt;
  /// bfloat16 in backbones and necks; float32 everywhere otherwise, whatever the config says.
  bool amp = false;
  /// Where the network computes.
  Device device = {};
};

/// The network of a config with the weights of a file, in evaluation. Moves and copies of it are not wanted: streams
/// refer to it.
class TrainedNetwork {
 public:
  /// Throws in one line for a file that is of another config (see check_trained_config) or lacks tensors.
  TrainedNetwork(const configs::Document& document, const TrainedNetworkOptions& options, RunLog& log,
                 const Parts& parts);
  TrainedNetwork(const TrainedNetwork&) = delete;
  TrainedNetwork& operator=(const TrainedNetwork&) = delete;

  Network& network() { return *network_; }
  const TaskList& tasks() const { return tasks_; }
  /// Null where the network has no temporal fusion.
  const std::optional<HistoryOptions>& history() const { return history_; }
  /// Throws Error where one of a frame's cameras looks where the config has another one: they stand in another order.
  void check_camera_order(const std::vector<Camera>& cameras) const;

 private:
  struct MountedCamera {
    std::string name;
    Camera camera;
  };

  TaskList tasks_;
  std::optional<Network> network_;
  std::optional<HistoryOptions> history_;
  std::vector<MountedCamera> rig_;  // the config's
};

struct PlayedFrame {
  NetworkOutput maps;
  History history;  ///< what temporal fusion took
};

/// One stream: frames come in the order of time, and each finds those before it. A new sequence, or a timestamp that
/// goes back, begins anew.
class FrameStream {
 public:
  explicit FrameStream(TrainedNetwork& trained);

  /// One frame (input.size() is 1). Without temporal fusion `moment` is not read. Throws Error for cameras in another
  /// order and for a map that is not finite, by its name; a frame whose bev_fused is not finite is not remembered.
  PlayedFrame play(const NetworkInput& input, const FrameMoment& moment);

 private:
  TrainedNetwork& trained_;
  std::optional<HistoryPlayer> player_;
};

/// Everything that is given of a frame, in the order in which it is written: the maps by their names, then what the
/// tasks decode of them.
NamedTensors outputs_of(const NetworkOutput& maps, const TaskList& tasks);

}  // namespace bevgrad
