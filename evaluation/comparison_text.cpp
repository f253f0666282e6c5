#include "evaluation/comparison_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "evaluation/evaluator.h"
#include "evaluation/strata.h"

namespace bevgrad {
namespace {

constexpr size_t kNameWidth = 26, kValueWidth = 7;

/// Cut to `width` characters and filled up to it: fmt would count bytes.
std::string column(const std::string& text, size_t width) {
  std::string out = shortened(text, width);
  return out.append(width - characters(out), ' ');
}

/// The same, at the right.
std::string right(const std::string& text, size_t width) {
  return std::string(width - std::min(width, characters(text)), ' ') + text;
}

std::string value_text(const Cell& cell, bool is_change) {
  const auto* value = std::get_if<double>(&cell);
  if (!value) return "n/a";
  return is_change ? fmt::format("{:+.3f}", *value) : fmt::format("{:.3f}", *value);
}

}  // namespace

std::string iou_comparison_text(const Table& a, const Table& b, const std::string& name_a, const std::string& name_b) {
  const Table table = iou_comparison(a, b, name_a, name_b);
  const std::string safe_a = terminal_text(name_a), safe_b = terminal_text(name_b);
  const bool fits = characters(safe_a) < kValueWidth && characters(safe_b) < kValueWidth;
  const std::string first = fits ? safe_a : "A", second = fits ? safe_b : "B";
  std::string text = "IoU per class by what was seen of a cell";
  if (!fits) text += fmt::format("; A: {}, B: {}", shortened(name_a, 30), shortened(name_b, 30));
  text += "\n";
  std::string header;
  for (size_t s = 0; s < kNumStrata; ++s)
    header += "  " + right(first, kValueWidth) + right(second, kValueWidth) + right("change", kValueWidth);
  std::string val_set;
  for (const auto& row : table.rows) {
    if (const std::string set = to_text(row[0]); set != val_set || &row == &table.rows.front()) {
      val_set = set;
      text += "\n" + column(set, kNameWidth);
      for (const auto& stratum : kStratumNames) text += fmt::format("  {:>{}}", stratum, 3 * kValueWidth);
      text += fmt::format("\n{:<{}}{}\n", "", kNameWidth, header);
    }
    text += column(to_text(row[1]), 4) + " " + column(to_text(row[2]), kNameWidth - 6) + " ";
    for (size_t i = 3; i < row.size(); ++i)
      text += fmt::format("{}{:>{}}", i % 3 == 0 ? "  " : "", value_text(row[i], i % 3 == 2), kValueWidth);
    text += "\n";
  }
  return text;
}

}  // namespace bevgrad
