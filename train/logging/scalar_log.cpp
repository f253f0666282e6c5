#include "train/logging/scalar_log.h"

#include <charconv>
#include <chrono>
#include <cmath>
#include <exception>
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

/// Drops the lines of later steps and those that are damaged. What is dropped is nearly always the end of the file:
/// that takes no room on a full disk.
AppendFile keep_until(const std::string& path, int64_t last,
                      const std::function<int64_t(const std::string&)>& step_of) {
  if (!std::filesystem::is_regular_file(path)) return AppendFile(path);
  const std::string all = read_file(path);
  std::istringstream stream(all);
  std::string kept;
  for (std::string line; std::getline(stream, line);) {
    const int64_t step = step_of(line);
    if (line == kHeader || (step >= 0 && step <= last)) kept += line + "\n";
  }
  if (all.starts_with(kept)) {
    if (kept != all) std::filesystem::resize_file(path, kept.size());
  } else {
    write_text_file(path, kept);
  }
  return AppendFile(path);
}

}  // namespace

ScalarLog::ScalarLog(const std::string& folder, int64_t step)
    : jsonl_(keep_until(folder + "/scalars.jsonl", step, step_of_json)),
      csv_(keep_until(folder + "/scalars.csv", step, step_of_csv)) {}

void ScalarLog::add(int64_t step, const Scalars& scalars) {
  const double time = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  ordered_json line = {{"step", step}, {"time", std::round(time * 1000) / 1000}};
  std::string rows = csv_.is_empty() ? fmt::format("{}\n", kHeader) : "";
  for (const auto& [name, value] : scalars) {
    line[name] = value;
    rows += fmt::format("{},{:.3f},{},{}\n", step, time, name, value);
  }
  // One that cannot be written does not keep the other from it.
  std::exception_ptr refused;
  for (const auto& [file, text] : {std::pair(&jsonl_, line.dump() + "\n"), std::pair(&csv_, rows)}) {
    try {
      file->append(text);
    } catch (const Error&) {
      refused = std::current_exception();
    }
  }
  if (refused) std::rethrow_exception(refused);
}

}  // namespace bevgrad
