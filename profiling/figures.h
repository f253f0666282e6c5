// Measured numbers, as a table for a person and as JSON for a program.
#pragma once
#include <string>
#include <vector>

namespace bevgrad {

struct Figure {
  std::string name;
  double value = 0;
  std::string unit;
  double share = 0;    ///< of what the machine could do at best; 0: there is no such limit
  std::string remark;  ///< what the limit is, or what the figure means
};

std::string to_table(const std::vector<Figure>& figures);
std::string to_json(const std::string& bench, const std::vector<Figure>& figures);

}  // namespace bevgrad
