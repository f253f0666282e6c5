#include "evaluation/ratio.h"

#include <fmt/format.h>

namespace bevgrad {

Ratio ratio(double numerator, double denominator) {
  if (denominator == 0) return std::nullopt;
  return numerator / denominator;
}

Ratio f1_score(Ratio precision, Ratio recall) {
  if (!recall) return std::nullopt;
  if (!precision || *precision + *recall == 0) return 0.0;
  return 2 * *precision * *recall / (*precision + *recall);
}

Ratio mean_of(std::span<const Ratio> values) {
  double sum = 0;
  int64_t count = 0;
  for (const Ratio& value : values) {
    if (!value) continue;
    sum += *value;
    ++count;
  }
  return ratio(sum, static_cast<double>(count));
}

std::string to_text(Ratio value, int digits) {
  return value ? fmt::format("{:.{}f}", *value, digits) : "n/a";
}

}  // namespace bevgrad
