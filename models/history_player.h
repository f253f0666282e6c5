// Streams of frames played through a network: each frame is decoded with its history and remembered for those after it.
#pragma once
#include <vector>

#include "models/history_feature_manager.h"
#include "models/network.h"

namespace bevgrad {

/// Frames that are played side by side, one a slot.
struct StreamFrames {
  std::vector<FrameMoment> moments;
  std::vector<bool> starts;  ///< the first frame of a stream: what its slot remembers does not belong to it
};

class HistoryPlayer {
 public:
  HistoryPlayer(const HistoryOptions& options, int64_t slots) : manager_(options, slots) {}

  /// Completes `output`, which holds the frames' bev_fused, with what the network decodes from it and from the history;
  /// then remembers bev_fused. Returns the history that was taken, whose variable intervals `generator` draws. Where
  /// there are fewer frames than slots the last slots are given up.
  History play(Network& network, NetworkOutput& output, const StreamFrames& frames, Generator* generator = nullptr);
  /// Remembers bev_fused [N,C,H,W] of frames that need not be decoded.
  void remember(const Tensor& bev_fused, const StreamFrames& frames);
  void reset() { manager_.reset(); }
  const HistoryOptions& options() const { return manager_.options(); }

 private:
  void begin(const StreamFrames& frames);

  HistoryFeatureManager manager_;
};

}  // namespace bevgrad
