#include "train/cache/cached_batches.h"

#include <omp.h>

#include "tensor/ops.h"
#include "train/cache/changed_features.h"
#include "train/network_state.h"

namespace bevgrad {
namespace {

/// A run whose beginning was not seen: longer than any history.
constexpr int64_t kLongRun = int64_t{1} << 40;

}  // namespace

CachedBatches::CachedBatches(BatchSource& source, FeatureSource& features, const HistoryOptions& history)
    : source_(source), features_(features), history_(history), state_(source.state()) {
  // Reading needs no OpenMP threads beside the trainer's; computing missing features does.
  threads_ = features.missing() > 0 ? omp_get_max_threads() : 1;
}

CachedBatches::~CachedBatches() {
  if (ahead_.valid()) ahead_.wait();
}

void CachedBatches::count_runs(const Batch& batch) {
  run_lengths_.resize(batch.starts.size(), kLongRun);
  for (size_t n = 0; n < batch.starts.size(); ++n) run_lengths_[n] = batch.starts[n] ? 0 : run_lengths_[n] + 1;
}

CachedBatches::Ahead CachedBatches::prepare(Generator generator) {
  omp_set_num_threads(threads_);
  auto copies = std::make_unique<DeviceCopies>(features_.device());
  PreparedBatch prepared{
      .batch = source_.next(), .bev_fused = {}, .history = {}, .generator = generator, .sampler = {}};
  prepared.sampler = source_.state();
  const std::vector<int64_t>& entries = prepared.batch.entries;
  // A GPU gets them as they are stored, which may be half as many bytes.
  const bool as_stored = !features_.device().is_cpu() && prepared.batch.ego_changes.empty();
  const Tensor current = features_.features(entries, as_stored ? features_.stored_as() : DType::Float32);
  if (source_.has_history()) {
    if (!source_.is_shuffled()) count_runs(prepared.batch);
    prepared.history = features_.history(entries, history_, &prepared.generator,
                                         source_.is_shuffled() ? std::vector<int64_t>() : run_lengths_);
  }
  change_features(current, prepared.history, prepared.batch.ego_changes, features_.grid());
  prepared.bev_fused = copies->add(current);
  if (source_.has_history()) {
    for (Tensor& feature : prepared.history.prev_feat_list) feature = copies->add(feature);
  }
  return {std::move(prepared), std::move(copies)};
}

PreparedBatch CachedBatches::next(const Generator& generator) {
  const auto launch = [this](const Generator& from) {
    ahead_ = std::async(std::launch::async, [this, from] { return prepare(from); });
  };
  if (!ahead_.valid()) launch(generator);
  Ahead ahead = ahead_.get();
  copies_ = std::move(ahead.copies);
  copies_->wait();
  state_ = ahead.batch.sampler;
  launch(ahead.batch.generator);
  ahead.batch.bev_fused = ops::to(ahead.batch.bev_fused, DType::Float32);
  return std::move(ahead.batch);
}

void CachedBatches::restore(const std::vector<int64_t>& state) {
  if (ahead_.valid()) ahead_.wait();
  ahead_ = {};
  run_lengths_.clear();
  state_ = state;
  if (!source_.has_history() || source_.is_shuffled()) {
    source_.restore(state);
    return;
  }
  // Which frames a slot has played is not saved: the batches before say it.
  const int64_t back = source_.restore(state, history_.max_capacity);
  for (int64_t i = 0; i < back; ++i) count_runs(source_.next());
}

}  // namespace bevgrad
