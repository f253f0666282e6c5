// Low-rank adapters (LoRA), as the PEFT library stores them: of a weight W [out, ...in] two factors A [rank, ...in] and
// B [out, rank]; the adapted weight is W + scale B A.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "formats/state_dict.h"

namespace bevgrad {

/// What the adapter_config.json beside an adapter says of its scales.
struct LoraSettings {
  double alpha = 1;
  double rank = 1;
  bool by_root = false;     // use_rslora: alpha / sqrt(rank) instead of alpha / rank
  bool transposed = false;  // fan_in_fan_out: weights are [in, out], as those of GPT-2's Conv1D
  /// Of modules whose name is, or ends with a dot and, such a text (alone where it begins with ^).
  std::vector<std::pair<std::string, double>> alphas = {};
  std::vector<std::pair<std::string, double>> ranks = {};

  /// Of the factors of a module, whose rank must be `factors_rank`. Throws Error where it is another one.
  double scale(const std::string& module, int64_t factors_rank) const;
};
/// Nothing where there is no such file. Throws Error for what is no low-rank adapter or has magnitudes (DoRA).
std::optional<LoraSettings> lora_settings(const std::string& adapter_path);

/// Adds an adapter to its base: each weight becomes another one that is worked out as it is read; whole parameters that
/// the adapter has (`modules_to_save`, biases) take the place of the base's. `amount` is how much of the adapter is
/// wanted; without settings its scale is 1. Returns the base. Throws Error naming file and tensor where an adapter's
/// names or shapes do not fit.
CheckpointFile add_lora(CheckpointFile base, const CheckpointFile& adapter, const std::optional<LoraSettings>& settings,
                        double amount);

/// Names of the adapter's weights that were extracted, and how much of the change they hold.
struct ExtractedLora {
  CheckpointFile adapter;
  size_t weights = 0;
  /// The square root of the sum of squares that the factors leave out, over that of the whole change.
  double left_out = 0;
  /// Tensors that differ but are no matrices or convolutions, so that no factors stand for them.
  std::vector<std::string> unfactored;
};

/// Factors of the given rank of what `tuned` differs from `base`: of each weight of two or more dimensions that
/// differs, the best ones there are (truncated singular values). Their scale is 1. One weight at a time is in memory.
ExtractedLora extract_lora(const CheckpointFile& base, const CheckpointFile& tuned, int64_t rank);

}  // namespace bevgrad
