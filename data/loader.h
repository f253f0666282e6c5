// Batches made ahead of the one who uses them, by worker threads, in the sampler's order.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "data/augmentation/augmentation.h"
#include "data/batch.h"
#include "data/dataset.h"
#include "data/sampler.h"

namespace bevgrad {

struct LoaderOptions {
  int workers = 4;  ///< threads that decode; 0 decodes in next()
  int ahead = 2;    ///< batches that are made ahead at most; at least 1
  /// false: without pictures and points, for one who has the features already.
  bool sensors = true;
  /// What samples are changed by before they are put together; null: nothing.
  std::shared_ptr<const Augmentation> augmentation = nullptr;
  /// A GPU: batches are made in page-locked memory, and their images and rasters are on their way to it (see
  /// Batch::on_device) before next() gives them.
  Device device = {};
};

/// What comes out depends on dataset, sampler and augmentation alone, never on the number of workers. The destructor
/// stops the workers without waiting for more than the samples that they are at.
class Loader {
 public:
  /// `dataset` must outlive the loader.
  Loader(const Dataset& dataset, std::unique_ptr<Sampler> sampler, const LoaderOptions& options = {});
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// The next batch; nothing after the sampler's end. What went wrong with a batch is thrown when that batch's turn
  /// comes; the call after that goes on with the batch behind it. One caller at a time.
  std::optional<Batch> next();

  /// The sampler's state after the batches that next() has given: what a checkpoint keeps.
  std::vector<int64_t> state() const;
  /// Forgets what was made ahead and goes on from there.
  void restore(std::span<const int64_t> state);

  /// Cases of an epoch, over all ranks.
  int64_t cases() const;
  /// Seconds that next() has waited for a batch so far.
  double waited() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bevgrad
