// Low-rank adapters (LoRA), as the PEFT library stores them: of a weight W [out, ...in] two factors A [rank, ...in] and
// B [out, rank]; the adapted weight is W + scale B A.
#pragma once
#include <optional>
#include <string>

#include "formats/state_dict.h"

namespace bevgrad {

/// alpha / rank, or alpha / sqrt(rank) where `use_rslora`, as the adapter_config.json beside an adapter says; nothing
/// where there is none.
std::optional<double> lora_scale(const std::string& adapter_path);

/// Adds an adapter to its base: each weight becomes another one that is worked out as it is read. `scale` is what the
/// adapter was made with, times how much of it is wanted. Returns the base. Throws Error naming file and tensor where
/// an adapter's names or shapes do not fit.
CheckpointFile add_lora(CheckpointFile base, const CheckpointFile& adapter, double scale);

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
