#include "models/tap.h"

#include "autograd/autograd.h"
#include "nn/byte_maps.h"
#include "tensor/ops.h"

namespace bevgrad {

TapRecorder::TapRecorder(Module& root, const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    Module* module = path.empty() ? nullptr : root.find(path);
    if (module == nullptr) throw UsageError(fmt::format("tap: the network has no module '{}'", path));
    Tap& tap = taps_.emplace_back(Tap{path});
    tap.hook = module->on_forward([&tap](const Module&, const Tensor& value, size_t output) {
      if (tap.outputs.size() <= output) tap.outputs.resize(output + 1);
      // A copy: what follows may write in place.
      tap.outputs[output].push_back(ops::clone(without_bytes(detach(value))));
      return value;
    });
  }
}

std::map<std::string, Tensor> TapRecorder::take() {
  std::map<std::string, Tensor> result;
  for (Tap& tap : taps_) {
    check(!tap.outputs.empty(), "tap: module '{}' did not run", tap.path);
    for (size_t i = 0; i < tap.outputs.size(); ++i) {
      if (tap.outputs[i].empty()) continue;
      const std::string name = tap.outputs.size() == 1 ? tap.path : fmt::format("{}/{}", tap.path, i);
      const Tensor joined = tap.outputs[i].size() == 1 ? tap.outputs[i].front() : ops::cat(tap.outputs[i], 0);
      result[name] = ops::to(joined, DType::Float32);
    }
    tap.outputs.clear();
  }
  return result;
}

}  // namespace bevgrad
