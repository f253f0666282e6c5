// The features of one encoder, in a folder of their own: DIR/<encoder>-<dtype>/<two digits>/<input>.feat. Many
// processes may read and write it at once.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "train/cache/feature_file.h"

namespace bevgrad {

struct FeatureCacheOptions {
  std::string dir;
  CacheKey encoder;  ///< of everything but the input that decides the features
  DType dtype = DType::BFloat16;
  Shape sizes;         ///< C, H, W
  std::string remark;  ///< kept in the folder for a person: where the encoder came from
};

class FeatureCache {
 public:
  /// Makes the folder where it is missing and holds it against pruning while this lives. Throws UsageError where it
  /// cannot be made.
  explicit FeatureCache(FeatureCacheOptions options);
  ~FeatureCache();
  FeatureCache(const FeatureCache&) = delete;
  FeatureCache& operator=(const FeatureCache&) = delete;

  const FeatureCacheOptions& options() const { return options_; }
  const std::string& folder() const { return folder_; }
  size_t bytes_each() const { return feature_file_bytes(options_.sizes, options_.dtype); }
  /// Bytes that are free on its disk.
  size_t free_bytes() const;

  bool contains(const CacheKey& input) const;
  /// The feature of an input into `into` [C,H,W] (see read_feature_file), or its header alone where that is undefined.
  /// Nothing where it is missing or damaged; a damaged file is removed. Thread-safe.
  std::optional<FeatureInfo> read(const CacheKey& input, const Tensor& into) const;
  /// Thread-safe. Throws what write_feature_file throws.
  void write(const CacheKey& input, const Tensor& feature, double timestamp, const Pose& ego_pose) const;

 private:
  std::string path(const CacheKey& input) const;

  FeatureCacheOptions options_;
  std::string folder_;
  int lock_ = -1;
};

/// A folder of features below a cache's folder, as `bevgrad cache` shows it.
struct CachedEncoder {
  std::string name;
  std::string remark;
  int64_t features = 0;
  int64_t leftovers = 0;  ///< files that an interrupted writer left
  size_t bytes = 0;
  double age_days = 0;  ///< since a feature was last written or the folder last opened
  bool in_use = false;
};

std::vector<CachedEncoder> list_cache(const std::string& dir);

struct CacheVerdict {
  int64_t whole = 0;
  std::vector<std::string> damaged;  ///< paths
};
/// Reads every feature and compares checksums; `remove` deletes what is damaged.
CacheVerdict verify_cache(const std::string& dir, bool remove);

/// Deletes leftovers everywhere and the folders that are older than `days` (all where it is 0); a folder in use stays.
/// Returns the bytes that were freed and the names of the folders.
std::pair<size_t, std::vector<std::string>> prune_cache(const std::string& dir, double days);

}  // namespace bevgrad
