// Taps: the output of any named module, taken while the network runs, as PyTorch's forward hooks give it.
//
//   TapRecorder taps(network, {"stage1_backbone0.layer2", "fuser"});
//   NetworkOutput out = network.forward(input);
//   Tensor layer2 = taps.take().at("stage1_backbone0.layer2");
#pragma once
#include <map>
#include <string>
#include <vector>

#include "nn/module.h"
#include "nn/module_scope.h"
#include "tensor/tensor.h"

namespace bevgrad {

/// Records on this thread while it lives; one at a time. A module that runs several times (a chunked camera trunk, the
/// scores of temporal fusion) gives its outputs joined along dimension 0, in the order of the calls. A module with
/// several outputs gives them as "name/0", "name/1", ...
class TapRecorder {
 public:
  /// Throws UsageError for a path that names no module of `root`.
  TapRecorder(Module& root, const std::vector<std::string>& paths);
  ~TapRecorder();
  TapRecorder(const TapRecorder&) = delete;
  TapRecorder& operator=(const TapRecorder&) = delete;

  /// What was recorded since the last call, float32; throws where a tapped module did not run.
  std::map<std::string, Tensor> take();

  /// Whether one records on this thread.
  static bool is_recording();

  // For the modules' forward functions.
  static bool wants(const Module& module);
  static void record(const Module& module, size_t output, const Tensor& value);

 private:
  struct Tap {
    std::string path;
    const Module* module;
    std::vector<std::vector<Tensor>> outputs;  // [output][call]
  };
  std::vector<Tap> taps_;
};

/// Whether a tap asks for what `module` computes: a fused path that would not compute it must not be taken then.
inline bool is_tapped(const Module& module) {
  return TapRecorder::wants(module);
}

/// Hands `value`, the output of `module`, to a tap that asks for it, and returns it.
Tensor tapped(const Module& module, const Tensor& value, size_t output = 0);

}  // namespace bevgrad
