// What earlier frames saw, mixed into the current feature: what every way of doing it takes and gives, and the frames
// brought into the current ego frame, with which each begins.
#pragma once
#include <vector>

#include "models/network_io.h"
#include "models/network_options.h"
#include "nn/module.h"

namespace bevgrad {

struct TemporalFusionOutput {
  Tensor fused;    ///< [N,C,H,W]
  Tensor weights;  ///< [N,1+history,H,W]: of the current frame and of each slot; 0 where masked, sums to 1
};
template <class F>
void each_output(TemporalFusionOutput& output, F&& f) {
  f(output.fused);
  f(output.weights);
}

class TemporalFusion : public Module {
 public:
  /// current [N,C,H,W] float32. See History for the rest; a History without slots has no valid frame. The result is
  /// float32.
  virtual TemporalFusionOutput forward(const Tensor& current, const History& history) = 0;
  /// Whether fresh weights pass `current` on, bit for bit: then a checkpoint without them gives the same network.
  virtual bool is_neutral_untrained() const { return false; }
  /// Whether forward() with a History on a device is the same work on its tensors every time, whatever their values, so
  /// that a GPU may record and replay it.
  virtual bool is_recordable() const { return false; }
};

/// The current frame and after it one a slot.
struct WarpedFrames {
  std::vector<Tensor> features;  ///< [N,C,H,W] each, in the current ego frame, of the dtype of the current one
  std::vector<Tensor> masks;     ///< bool [N,1,H,W] each: whether the frame has seen the cell
};

/// Warps every slot of `history` into the ego frame of `current` [N,C,H,W]. Where a slot holds no frame the feature is
/// 0 and the mask false. Throws Error for a history that does not fit `options.history` slots and the current frame.
WarpedFrames warp_history(const Tensor& current, const History& history, const TemporalOptions& options,
                          const BevGrid& grid);

}  // namespace bevgrad
