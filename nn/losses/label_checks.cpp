#include "nn/label_checks.h"

#include <utility>

#include "losses/internal/raster_targets.h"

namespace bevgrad {
namespace {

thread_local DeferredLabelChecks* current_checks = nullptr;

}  // namespace

DeferredLabelChecks::DeferredLabelChecks() : outer_(std::exchange(current_checks, this)) {}
DeferredLabelChecks::~DeferredLabelChecks() {
  current_checks = outer_;
}

void DeferredLabelChecks::add(Entry entry) {
  if (!current_checks) return check(entry, entry.count.item());
  current_checks->entries_.push_back(std::move(entry));
}

void DeferredLabelChecks::check(const Entry& entry, double count) {
  if (count > 0) fail_on_labels(entry.loss, entry.targets);
}

}  // namespace bevgrad
