// Fused features of a dataset's frames, current and past, from a cache; what is missing there is computed and kept.
#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "configs/document.h"
#include "data/dataset.h"
#include "distributed/process_group.h"
#include "models/history_selection.h"
#include "models/network.h"
#include "train/cache/feature_cache.h"
#include "train/logging/run_log.h"

namespace bevgrad {

/// The folder that the config names.
std::string feature_cache_dir(const config::Config& proto);

class FeatureSource {
 public:
  /// `network` (whose encoder must not change any more) and `dataset` (with pictures and points) must outlive this.
  /// `origin` says where the weights came from, for a person.
  FeatureSource(Network& network, const Dataset& dataset, const config::Config& proto, const std::string& origin,
                RunLog& log);
  ~FeatureSource();

  const FeatureCache& cache() const;
  /// Different features of the dataset, and how many of them the cache lacks.
  int64_t size() const;
  int64_t missing() const;
  /// Computes what is missing, this rank its share, with a line of progress; begins with how many bytes it takes and
  /// throws Error where the disk has not as many. Other ranks wait for this one as long as it gets on. Throws
  /// Interrupted after a signal: what is done stays, and the next call goes on from there.
  void fill(ProcessGroup& group);

  /// The dtype on disk.
  DType stored_as() const;
  /// Where the network is, and what a feature covers.
  Device device() const;
  const BevGrid& grid() const;
  /// Features of entries [N] -> [N,C,H,W] of `dtype`, channels-last, on the CPU (for a network on a GPU in page-locked
  /// memory).
  Tensor features(const std::vector<int64_t>& entries, DType dtype);
  /// The history that streaming would give to these entries. `first` is per sample how many frames of its stream count
  /// at most (a run that began that many frames ago); empty: all. Features lie where features() puts them.
  History history(const std::vector<int64_t>& entries, const HistoryOptions& options, Generator* generator = nullptr,
                  const std::vector<int64_t>& first = {});
  /// The place of an entry in its stream.
  int64_t position(int64_t entry) const;

  /// Features that had to be computed outside fill().
  int64_t computed() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bevgrad
