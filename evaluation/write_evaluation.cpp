#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "evaluation/evaluator.h"

namespace bevgrad {
namespace {

void write_file(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  check(file.good(), "{}: could not be written", path.string());
}

/// The draws, short enough to be read by whoever opens the file.
nlohmann::ordered_json bootstrap_of(const Headline& headline) {
  nlohmann::ordered_json document = {{"sequences", headline.sequences},
                                     {"replicates", nlohmann::ordered_json::object()}};
  for (const auto& [name, values] : headline.replicates) {
    auto& list = document["replicates"][name] = nlohmann::ordered_json::array();
    for (const double value : values)
      list.push_back(std::isnan(value) ? nlohmann::ordered_json()
                                       : nlohmann::ordered_json(std::round(value * 1e5) / 1e5));
  }
  return document;
}

}  // namespace

void write_evaluation(const std::string& folder, const EvaluationSummary& evaluation) {
  const std::filesystem::path path(folder);
  std::error_code error;
  std::filesystem::create_directories(path, error);
  check(!error, "{}: the folder could not be made: {}", folder, error.message());

  nlohmann::ordered_json document = {{"format", "bevgrad evaluation"},
                                     {"format_version", 1},
                                     {"frames", evaluation.frames},
                                     {"remarks", evaluation.remarks},
                                     {"headline", evaluation.headline.figures},
                                     {"bootstrap", bootstrap_of(evaluation.headline)},
                                     {"tables", nlohmann::ordered_json::array()}};
  std::string text;
  for (const auto& remark : evaluation.remarks) text += terminal_text(remark) + "\n";
  std::vector<Table> tables = evaluation.tables;
  tables.insert(tables.begin(), headline_table(evaluation.headline));
  for (const Table& table : tables) {
    document["tables"].push_back(to_json(table));
    write_file(path / (table.name + ".csv"), to_csv(table));
    if (table.name == "iou") text += "\n" + to_text(iou_overview(table));
    if (table.name != "curves" && table.name != "samples" && table.name != "series" && table.name != "reliability")
      text += "\n" + to_text(table);
  }
  write_file(path / "metrics.json", document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  write_file(path / "metrics.txt", text);
}

}  // namespace bevgrad
