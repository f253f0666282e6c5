#include "nn/label_checks.h"

#include <utility>

#include "losses/internal/raster_targets.h"

namespace bevgrad {
namespace {

thread_local DeferredLabelChecks* current = nullptr;

}  // namespace

DeferredLabelChecks::DeferredLabelChecks() : outer_(std::exchange(current, this)) {}
DeferredLabelChecks::~DeferredLabelChecks() {
  current = outer_;
}

void DeferredLabelChecks::add(Entry entry) {
  if (!current) return check(entry, entry.count.item());
  current->entries_.push_back(std::move(entry));
}

void DeferredLabelChecks::check(const Entry& entry, double count) {
  if (count > 0) fail_on_labels(entry.loss, entry.targets);
}

}  // namespace bevgrad
