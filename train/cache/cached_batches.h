// Batches with their features, made ready while the step before is computed.
#pragma once
#include <future>
#include <optional>
#include <vector>

#include "models/history_selection.h"
#include "train/batch_source.h"
#include "train/cache/feature_source.h"

namespace bevgrad {

struct PreparedBatch {
  Batch batch;
  Tensor bev_fused;     ///< [N,C,H,W] float32, as the history's features on the network's device
  History history;      ///< empty where the source keeps none
  Generator generator;  ///< after the intervals were drawn
  std::vector<int64_t> sampler;
};

/// One batch is read ahead, on a thread of its own. Batches, histories and draws are those of a run that computes its
/// features.
class CachedBatches {
 public:
  /// `source` and `features` must outlive this.
  CachedBatches(BatchSource& source, FeatureSource& features, const HistoryOptions& history);
  ~CachedBatches();
  CachedBatches(const CachedBatches&) = delete;
  CachedBatches& operator=(const CachedBatches&) = delete;

  /// `generator` is the one that the batch before returned, or at first the trainer's.
  PreparedBatch next(const Generator& generator);
  /// The sampler's after the batches that next() gave.
  std::vector<int64_t> state() const { return state_; }
  void restore(const std::vector<int64_t>& state);

 private:
  struct Ahead {
    PreparedBatch batch;
    std::unique_ptr<DeviceCopies> copies;
  };

  Ahead prepare(Generator generator);
  void count_runs(const Batch& batch);

  BatchSource& source_;
  FeatureSource& features_;
  HistoryOptions history_;
  int threads_;
  std::vector<int64_t> run_lengths_;  // [slot] frames that its run played before the current one
  std::vector<int64_t> state_;
  std::future<Ahead> ahead_;
  std::unique_ptr<DeviceCopies> copies_;  // of the batch that next() gave last: the host's side until they are done
};

}  // namespace bevgrad
