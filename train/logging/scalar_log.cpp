#include "train/logging/scalar_log.h"

#include <charconv>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"
#include "base/files.h"

namespace bevgrad {
namespace {

using nlohmann::ordered_json;

constexpr const char* kHeader = "step,time,name,value";

/// The step of a line, -1 where it has none: cut short, or of something else.
int64_t step_of_json(const std::string& line) {
  const ordered_json entry = ordered_json::parse(line, nullptr, false);
  return entry.is_object() && entry.contains("step") && entry["step"].is_number_integer() ? entry["step"].get<int64_t>()
                                                                                          : -1;
}

int64_t step_of_csv(const std::string& line) {
  int64_t step = -1;
  const auto [end, code] = std::from_chars(line.data(), line.data() + line.size(), step);
  return code == std::errc() && end != line.data() + line.size() && *end == ',' ? step : -1;
}

/// Drops the lines of later steps and those that are damaged.
void keep_until(const std::string& path, int64_t last, const std::function<int64_t(const std::string&)>& step_of) {
  if (!std::filesystem::exists(path)) return;
  std::istringstream stream(read_file(path));
  std::string kept, all;
  for (std::string line; std::getline(stream, line);) {
    const int64_t step = step_of(line);
    if (line == kHeader || (step >= 0 && step <= last)) kept += line + "\n";
    all += line + "\n";
  }
  if (kept != all) write_text_file(path, kept);
}

std::ofstream append_to(const std::string& path) {
  std::ofstream stream(path, std::ios::binary | std::ios::app);
  check(stream.is_open(), "{}: cannot write this file", path);
  return stream;
}

}  // namespace

ScalarLog::ScalarLog(const std::string& folder, int64_t step)
    : jsonl_path_(folder + "/scalars.jsonl"), csv_path_(folder + "/scalars.csv") {
  keep_until(jsonl_path_, step, step_of_json);
  keep_until(csv_path_, step, step_of_csv);
  jsonl_ = append_to(jsonl_path_);
  csv_ = append_to(csv_path_);
  if (csv_.tellp() == 0) csv_ << kHeader << "\n";
}

void ScalarLog::add(int64_t step, const Scalars& scalars) {
  const double time = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  ordered_json line = {{"step", step}, {"time", std::round(time * 1000) / 1000}};
  for (const auto& [name, value] : scalars) {
    line[name] = value;
    csv_ << fmt::format("{},{:.3f},{},{}\n", step, time, name, value);
  }
  jsonl_ << line.dump() << "\n";
  jsonl_.flush();
  csv_.flush();
  check(jsonl_.good(), "{}: cannot write this file (is the disk full?)", jsonl_path_);
  check(csv_.good(), "{}: cannot write this file (is the disk full?)", csv_path_);
}

}  // namespace bevgrad
