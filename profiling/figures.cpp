#include "profiling/figures.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace bevgrad {

std::string to_table(const std::vector<Figure>& figures) {
  size_t width = 0;
  for (const Figure& figure : figures) width = std::max(width, figure.name.size());
  std::string text;
  for (const Figure& figure : figures) {
    text += fmt::format("{:<{}}  {:>10.4g} {:<10}", figure.name, width, figure.value, figure.unit);
    text += figure.share > 0 ? fmt::format(" {:>5.1f} %", 100 * figure.share) : "        ";
    text += (figure.remark.empty() ? "" : "  " + figure.remark) + "\n";
  }
  return text;
}

std::string to_json(const std::string& bench, const std::vector<Figure>& figures) {
  nlohmann::json json = {{"bench", bench}, {"figures", nlohmann::json::array()}};
  for (const Figure& figure : figures) {
    nlohmann::json entry = {{"name", figure.name}, {"value", figure.value}, {"unit", figure.unit}};
    if (figure.share > 0) entry["share"] = figure.share;
    if (!figure.remark.empty()) entry["remark"] = figure.remark;
    json["figures"].push_back(std::move(entry));
  }
  return json.dump(2) + "\n";
}

}  // namespace bevgrad
