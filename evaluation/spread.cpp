#include "evaluation/spread.h"

#include <algorithm>
#include <cmath>

#include "evaluation/headline.h"

namespace bevgrad {

Table spread_table(const std::vector<RunGroup>& groups) {
  Table table{"spread",
              "Headline figures over runs",
              {{"runs", true},
               {"figure", true},
               {"count", false},
               {"mean", false},
               {"deviation", false},
               {"lowest", false},
               {"highest", false}},
              {}};
  for (const RunGroup& group : groups)
    for (const HeadlineFigure& figure : headline_figures()) {
      std::vector<double> values;
      for (const auto& headline : group.headlines)
        if (const auto found = headline.find(figure.name); found != headline.end()) values.push_back(found->second);
      if (values.empty()) continue;
      const auto count = static_cast<double>(values.size());
      double mean = 0, squares = 0;
      for (const double value : values) mean += value / count;
      for (const double value : values) squares += (value - mean) * (value - mean);
      const auto [lowest, highest] = std::minmax_element(values.begin(), values.end());
      table.add_row({group.name, figure.name, static_cast<int64_t>(values.size()), mean,
                     values.size() > 1 ? Cell(std::sqrt(squares / (count - 1))) : Cell(), *lowest, *highest});
    }
  return table;
}

}  // namespace bevgrad
