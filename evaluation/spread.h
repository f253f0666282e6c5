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
};

/// A row a group and figure: how many runs have it, their mean, the standard deviation (of a sample; n/a of one run),
/// the lowest and the highest. Figures come in the headline's order.
Table spread_table(const std::vector<RunGroup>& groups);

}  // namespace bevgrad
