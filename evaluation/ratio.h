// A share that may not exist: 0/0 is "n/a", never 0 or 1, and leaves the means.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace bevgrad {

using Ratio = std::optional<double>;

/// numerator / denominator, nothing where the denominator is 0.
Ratio ratio(double numerator, double denominator);
/// 2PR/(P+R). Nothing where there is no true cell (no recall); 0 where nothing was predicted or nothing matched.
Ratio f1_score(Ratio precision, Ratio recall);
/// Mean of those that exist; nothing where none does.
Ratio mean_of(std::span<const Ratio> values);
/// "0.4321", or "n/a".
std::string to_text(Ratio value, int digits = 4);

}  // namespace bevgrad
