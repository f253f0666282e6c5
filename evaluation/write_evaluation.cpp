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

}  // namespace

void write_evaluation(const std::string& folder, const Evaluator& evaluator) {
  const std::filesystem::path path(folder);
  std::error_code error;
  std::filesystem::create_directories(path, error);
  check(!error, "{}: the folder could not be made: {}", folder, error.message());

  nlohmann::ordered_json document = {{"format", "bevgrad evaluation"},   {"format_version", 1},
                                     {"frames", evaluator.frames()},     {"remarks", evaluator.remarks()},
                                     {"headline", evaluator.headline()}, {"tables", nlohmann::ordered_json::array()}};
  std::string text;
  for (const auto& remark : evaluator.remarks()) text += terminal_text(remark) + "\n";
  for (const Table& table : evaluator.tables()) {
    document["tables"].push_back(to_json(table));
    write_file(path / (table.name + ".csv"), to_csv(table));
    if (table.name == "iou") text += "\n" + to_text(iou_overview(table));
    if (table.name != "curves" && table.name != "samples" && table.name != "series") text += "\n" + to_text(table);
  }
  write_file(path / "metrics.json", document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  write_file(path / "metrics.txt", text);
}

}  // namespace bevgrad
