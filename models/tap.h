// Taps: the output of any named module, taken while the network runs.
//
//   TapRecorder taps(network, {"stage1_backbone0.layer2", "fuser"});
//   NetworkOutput out = network.forward(input);
//   Tensor layer2 = taps.take().at("stage1_backbone0.layer2");
#pragma once
#include <list>
#include <map>
#include <string>
#include <vector>

#include "nn/module.h"
#include "tensor/tensor.h"

namespace bevgrad {

/// Records while it lives. A module that runs several times (a chunked camera trunk, the scores of temporal fusion)
/// gives its outputs joined along dimension 0, in the order of the calls. A module with several outputs gives them as
/// "name/0", "name/1", ...
class TapRecorder {
 public:
  /// Throws UsageError for a path that names no module of `root`.
  TapRecorder(Module& root, const std::vector<std::string>& paths);
  TapRecorder(const TapRecorder&) = delete;
  TapRecorder& operator=(const TapRecorder&) = delete;

  /// What was recorded since the last call, float32; throws where a tapped module did not run.
  std::map<std::string, Tensor> take();

 private:
  struct Tap {
    std::string path;
    std::vector<std::vector<Tensor>> outputs = {};  // [output][call]
    HookHandle hook = {};
  };
  std::list<Tap> taps_;
};

}  // namespace bevgrad
