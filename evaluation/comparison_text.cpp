#include "evaluation/comparison_text.h"

#include <fmt/format.h>

#include "evaluation/evaluator.h"
#include "internal/strata.h"

namespace bevgrad {
namespace {

constexpr size_t kNameWidth = 26, kValueWidth = 7;

/// At most `width` characters; what is cut shows.
std::string cut(const std::string& text, size_t width) {
  return text.size() <= width ? text : text.substr(0, width - 2) + "..";
}

std::string value_text(const Cell& cell, bool is_change) {
  const auto* value = std::get_if<double>(&cell);
  if (!value) return "n/a";
  return is_change ? fmt::format("{:+.3f}", *value) : fmt::format("{:.3f}", *value);
}

}  // namespace

std::string iou_comparison_text(const Table& a, const Table& b, const std::string& name_a, const std::string& name_b) {
  const Table table = iou_comparison(a, b, name_a, name_b);
  const bool fits = name_a.size() < kValueWidth && name_b.size() < kValueWidth;
  const std::string first = fits ? name_a : "A", second = fits ? name_b : "B";
  std::string text = "IoU per class by what was seen of a cell";
  if (!fits) text += fmt::format("; A: {}, B: {}", cut(name_a, 30), cut(name_b, 30));
  text += "\n";
  std::string header;
  for (size_t s = 0; s < kNumStrata; ++s)
    header += fmt::format("  {:>{}}{:>{}}{:>{}}", first, kValueWidth, second, kValueWidth, "change", kValueWidth);
  std::string val_set;
  for (const auto& row : table.rows) {
    if (const std::string set = to_text(row[0]); set != val_set || &row == &table.rows.front()) {
      val_set = set;
      text += fmt::format("\n{:<{}}", cut(set, kNameWidth), kNameWidth);
      for (const auto& stratum : kStratumNames) text += fmt::format("  {:>{}}", stratum, 3 * kValueWidth);
      text += fmt::format("\n{:<{}}{}\n", "", kNameWidth, header);
    }
    text += fmt::format("{:<5}{:<{}}", cut(to_text(row[1]), 4), cut(to_text(row[2]), kNameWidth - 6), kNameWidth - 5);
    for (size_t i = 3; i < row.size(); ++i)
      text += fmt::format("{}{:>{}}", i % 3 == 0 ? "  " : "", value_text(row[i], i % 3 == 2), kValueWidth);
    text += "\n";
  }
  return text;
}

}  // namespace bevgrad
