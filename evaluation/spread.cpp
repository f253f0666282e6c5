#include "evaluation/spread.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "evaluation/headline.h"

namespace bevgrad {

namespace {

struct Spread {
  std::vector<double> values;
  double mean = 0, deviation = 0;
};

Spread spread_of(const RunGroup& group, const std::string& figure) {
  Spread spread;
  for (const auto& headline : group.headlines)
    if (const auto found = headline.find(figure); found != headline.end()) spread.values.push_back(found->second);
  const auto count = static_cast<double>(spread.values.size());
  for (const double value : spread.values) spread.mean += value / count;
  for (const double value : spread.values) spread.deviation += (value - spread.mean) * (value - spread.mean);
  spread.deviation = std::sqrt(spread.deviation / std::max(1.0, count - 1));
  return spread;
}

/// Text of data in a cell of a Markdown table.
std::string markdown_text(const std::string& text) {
  std::string safe;
  for (const char c : terminal_text(text)) {
    if (c == '|' || c == '<' || c == '`' || c == '*' || c == '_' || c == '[') safe += '\\';
    safe += c;
  }
  return safe;
}

/// Lines as a block of code.
std::string markdown_code(const std::string& lines) {
  std::string block;
  for (size_t begin = 0; begin < lines.size();) {
    const size_t end = std::min(lines.find('\n', begin), lines.size());
    block += "    " + terminal_text(lines.substr(begin, end - begin)) + "\n";
    begin = end + 1;
  }
  return block;
}

}  // namespace

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
      const Spread spread = spread_of(group, figure.name);
      if (spread.values.empty()) continue;
      const auto [lowest, highest] = std::minmax_element(spread.values.begin(), spread.values.end());
      table.add_row({group.name, figure.name, static_cast<int64_t>(spread.values.size()), spread.mean,
                     spread.values.size() > 1 ? Cell(spread.deviation) : Cell(), *lowest, *highest});
    }
  return table;
}

std::string spread_markdown(const std::vector<RunGroup>& groups) {
  std::string head = "| run | count |", rule = "|---|---|", notes, commands;
  std::vector<std::string> rows;
  for (const RunGroup& group : groups) {
    rows.push_back(fmt::format("| {} | {} |", markdown_text(group.name), group.headlines.size()));
    if (!group.commands.empty())
      commands += fmt::format("\n{}:\n\n{}", markdown_text(group.name), markdown_code(group.commands));
  }
  for (const HeadlineFigure& figure : headline_figures()) {
    std::vector<Spread> spreads;
    for (const RunGroup& group : groups) spreads.push_back(spread_of(group, figure.name));
    const auto has_none = [](const Spread& spread) { return spread.values.empty(); };
    if (std::all_of(spreads.begin(), spreads.end(), has_none)) continue;
    head += fmt::format(" `{}` |", figure.name);
    rule += "---|";
    notes += fmt::format("- `{}`: {}\n", figure.name, figure.text);
    for (size_t i = 0; i < groups.size(); ++i) {
      const Spread& spread = spreads[i];
      rows[i] += spread.values.empty()       ? " n/a |"
                 : spread.values.size() == 1 ? fmt::format(" {:.3f} |", spread.mean)
                                             : fmt::format(" {:.3f} ± {:.3f} |", spread.mean, spread.deviation);
    }
  }
  std::string page = head + "\n" + rule + "\n";
  for (const std::string& row : rows) page += row + "\n";
  page += "\nMean over the runs ± their standard deviation.\n\n" + notes;
  return commands.empty() ? page : page + "\n## Commands\n" + commands;
}

}  // namespace bevgrad
