// Headline figures over several runs that differ in their seed alone.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "evaluation/table.h"

namespace bevgrad {

struct RunGroup {
  std::string name;
  std::vector<std::map<std::string, double>> headlines;  ///< of its runs, by figure
  std::string commands = {};  ///< that made them, a line each; empty where they are not known
};

/// A row a group and figure: how many runs have it, their mean, the standard deviation (of a sample; n/a of one run),
/// the lowest and the highest. Figures come in the headline's order.
Table spread_table(const std::vector<RunGroup>& groups);

/// The same as a page: a Markdown table with a row a group and a column a figure that any of them has ("0.612 ±
/// 0.008"), and below it every group's commands.
std::string spread_markdown(const std::vector<RunGroup>& groups);

}  // namespace bevgrad
