#include "models/tap.h"

#include "autograd/autograd.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

thread_local TapRecorder* current = nullptr;

}  // namespace

TapRecorder::TapRecorder(Module& root, const std::vector<std::string>& paths) {
  check(current == nullptr, "TapRecorder: another one is recording on this thread");
  for (const std::string& path : paths) {
    const Module* module = path.empty() ? nullptr : root.find(path);
    if (module == nullptr) throw UsageError(fmt::format("tap: the network has no module '{}'", path));
    taps_.push_back({path, module, {}});
  }
  current = this;
}

TapRecorder::~TapRecorder() {
  current = nullptr;
}

bool TapRecorder::is_recording() {
  return current != nullptr;
}

bool TapRecorder::wants(const Module& module) {
  if (current == nullptr) return false;
  for (const Tap& tap : current->taps_)
    if (tap.module == &module) return true;
  return false;
}

void TapRecorder::record(const Module& module, size_t output, const Tensor& value) {
  if (current == nullptr || !value.defined()) return;
  for (Tap& tap : current->taps_) {
    if (tap.module != &module) continue;
    if (tap.outputs.size() <= output) tap.outputs.resize(output + 1);
    // A copy: what follows may write in place.
    tap.outputs[output].push_back(ops::clone(detach(value)));
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

Tensor tapped(const Module& module, const Tensor& value, size_t output) {
  TapRecorder::record(module, output, value);
  return value;
}

}  // namespace bevgrad
