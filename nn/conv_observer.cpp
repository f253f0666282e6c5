#include "nn/conv_observer.h"

#include "base/error.h"

namespace bevgrad {
namespace {

thread_local ConvObserver* current = nullptr;

}  // namespace

ConvObserver::ConvObserver(Module& root, See see) : see_(std::move(see)) {
  check(current == nullptr, "ConvObserver: another one is watching on this thread");
  root.visit([this](const std::string& path, Module& module) { paths_.emplace(&module, path); });
  current = this;
}

ConvObserver::~ConvObserver() {
  current = nullptr;
}

bool ConvObserver::is_watching() {
  return current != nullptr;
}

void ConvObserver::see(const Module& conv, Place place, const Tensor& value) {
  if (current == nullptr) return;
  const auto found = current->paths_.find(&conv);
  if (found != current->paths_.end()) current->see_(found->second, place, value);
}

}  // namespace bevgrad
