// One fused BEV feature as a file: written whole or not at all, checked whenever it is read.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "geometry/pose.h"
#include "tensor/tensor.h"

namespace bevgrad {

/// A 128-bit hash (XXH3).
struct CacheKey {
  uint64_t high = 0, low = 0;
  bool operator==(const CacheKey&) const = default;
  auto operator<=>(const CacheKey&) const = default;
  /// 32 hexadecimal digits.
  std::string hex() const;
};

/// The header of a feature file.
struct FeatureInfo {
  CacheKey key;
  DType dtype = DType::BFloat16;
  Shape sizes;  ///< C, H, W
  double timestamp = 0;
  Pose ego_pose;
};

/// Bytes of a file that holds a feature of these sizes.
size_t feature_file_bytes(const Shape& sizes, DType dtype);

/// Writes `feature` [C,H,W] (any memory order; converted to info.dtype) beside `path` and renames it. Throws Error
/// naming the file where the disk is full or refuses; nothing is left behind then.
void write_feature_file(const std::string& path, const FeatureInfo& info, const Tensor& feature);

enum class FeatureState { Missing, Damaged, Whole };

/// Reads the header and, where `into` is defined, the feature, converted to its dtype. `into` is [C,H,W], its memory
/// order H,W,C (one sample of a channels-last batch). Damaged: not a feature file of this key and these sizes, cut
/// short, or of another checksum than its header says; `into` then holds anything.
FeatureState read_feature_file(const std::string& path, const CacheKey& key, const Tensor& into, FeatureInfo& info);

/// The header alone, or nothing where it is damaged.
std::optional<FeatureInfo> read_feature_header(const std::string& path);

}  // namespace bevgrad
