#include "evaluation/attributes.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace bevgrad {

bool is_said_of(const AttributeKind& kind, const std::string& class_name) {
  return kind.classes.empty() || std::find(kind.classes.begin(), kind.classes.end(), class_name) != kind.classes.end();
}

std::vector<SaidAttribute> attributes_along(const ProbabilityRaster& probabilities, const LabelGrid& grid,
                                            const std::vector<AttributeKind>& kinds, const std::string& class_name,
                                            std::span<const Vec2> points) {
  size_t values = 0;
  for (const AttributeKind& kind : kinds) values += kind.values.size();
  check(static_cast<size_t>(probabilities.channels) == values,
        "attributes_along: {} channels for kinds of {} values in all", probabilities.channels, values);
  const double rows = static_cast<double>(probabilities.rows), columns = static_cast<double>(probabilities.columns);
  std::vector<double> sums(values, 0.0);
  bool any = false;
  for (const Vec2 p : points) {
    const double row = std::floor((p.y - grid.y_min) / (grid.y_max - grid.y_min) * rows),
                 column = std::floor((p.x - grid.x_min) / (grid.x_max - grid.x_min) * columns);
    if (!(row >= 0 && row < rows && column >= 0 && column < columns)) continue;
    any = true;
    for (size_t v = 0; v < values; ++v)
      sums[v] += static_cast<double>(
          probabilities.at(static_cast<int64_t>(v), static_cast<int64_t>(row), static_cast<int64_t>(column)));
  }
  std::vector<SaidAttribute> said(kinds.size());
  size_t first = 0;
  for (size_t k = 0; k < kinds.size(); first += kinds[k++].values.size()) {
    if (!any || !is_said_of(kinds[k], class_name)) continue;
    const auto begin = sums.begin() + static_cast<std::ptrdiff_t>(first);
    const auto end = begin + static_cast<std::ptrdiff_t>(kinds[k].values.size());
    const double total = std::accumulate(begin, end, 0.0);
    if (!(total > 0)) continue;
    const auto best = std::max_element(begin, end);
    said[k] = {static_cast<int>(best - begin), *best / total};
  }
  return said;
}

std::vector<int> values_of(const std::vector<SaidAttribute>& said) {
  std::vector<int> values;
  for (const SaidAttribute& one : said) values.push_back(one.value);
  if (std::all_of(values.begin(), values.end(), [](int value) { return value < 0; })) values.clear();
  return values;
}

}  // namespace bevgrad
