// Batches of a dataset's samples.
#pragma once
#include <deque>
#include <future>
#include <optional>
#include <vector>

#include "loading/dataset.h"

namespace bevgrad::loading {

struct DataLoaderOptions {
  int64_t batch_size = 1;
  /// A new order every epoch, which the seed and the epoch's number give; otherwise the dataset's.
  bool shuffle = false;
  uint64_t seed = 0;
  /// Whether a last batch that is not full is left out.
  bool drop_last = false;
  /// Batches that are made ahead, each on a thread of its own; 0: each when it is asked for.
  int num_workers = 0;
};

/// Where a loader stands: the next batch that it will give.
struct DataLoaderState {
  int64_t epoch = 0, batch = 0;
};

class DataLoader {
 public:
  /// The dataset must outlive the loader.
  explicit DataLoader(const Dataset& dataset, const DataLoaderOptions& options = {});

  /// The next batch of the epoch: every field stacked along a new first dimension. Nothing at the end of an epoch; the
  /// call after that begins the next one. What a worker throws is thrown here, in its batch's turn.
  ///   while (auto batch = loader.next()) step(batch->at(0), batch->at(1));
  std::optional<Sample> next();
  /// Batches of one epoch.
  int64_t size() const { return batches_; }

  const DataLoaderState& state() const { return state_; }
  /// Goes on exactly where a loader of the same dataset and options was.
  void load(const DataLoaderState& state);

 private:
  /// Sample numbers of an epoch, in order.
  const std::vector<int64_t>& order(int64_t epoch);
  std::vector<int64_t> chosen(int64_t epoch, int64_t batch);
  void look_ahead();

  const Dataset& dataset_;
  DataLoaderOptions options_;
  int64_t batches_;
  DataLoaderState state_;
  int64_t ordered_epoch_ = -1;
  std::vector<int64_t> order_;
  std::deque<std::future<Sample>> ahead_;  // from the next batch on, within the epoch
};

}  // namespace bevgrad::loading
