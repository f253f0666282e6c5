#include "drawing/report/run_results.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "internal/picture_file.h"

namespace bevgrad {
namespace {

namespace fs = std::filesystem;

constexpr uintmax_t kMostPictureBytes = uintmax_t{512} << 20;

/// At most the first `most` bytes.
std::string read_text(const fs::path& path, uintmax_t most) {
  std::error_code error;
  const uintmax_t size = fs::file_size(path, error);
  if (error) return "";
  std::ifstream file(path, std::ios::binary);
  std::string text(std::min(size, most), '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  return text;
}

/// The end of a text file, from the beginning of a line.
std::string last_lines(const fs::path& path, size_t most) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  if (error) return "";
  std::ifstream file(path, std::ios::binary);
  if (size > most) file.seekg(static_cast<std::streamoff>(size - most));
  std::string text(most, '\0');
  file.read(text.data(), static_cast<std::streamsize>(most));
  text.resize(static_cast<size_t>(file.gcount()));
  if (size > most) text.erase(0, text.find('\n') + 1);
  return text;
}

/// metrics.json of a run's folder, or of its newest validation; empty where it has none.
fs::path metrics_in(const fs::path& folder) {
  std::error_code error;
  if (fs::exists(folder / "metrics.json", error)) return folder / "metrics.json";
  fs::path newest;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.path().filename().string().rfind("val", 0) == 0 && fs::exists(entry.path() / "metrics.json", error) &&
        (newest.empty() || newest.filename() < entry.path().filename()))
      newest = entry.path();
  return newest.empty() ? newest : newest / "metrics.json";
}

fs::path find_metrics(const std::string& path) {
  const fs::path given(path);
  std::error_code error;
  if (fs::is_regular_file(given, error)) return given;
  if (!fs::is_directory(given, error)) throw UsageError(fmt::format("{}: there is no such run", path));
  const fs::path metrics = metrics_in(given);
  if (metrics.empty())
    throw UsageError(fmt::format("{}: neither it nor a val_* folder in it has a metrics.json", path));
  return metrics;
}

}  // namespace

const Table* RunResults::table(const std::string& wanted) const {
  for (const Table& t : tables)
    if (t.name == wanted) return &t;
  return nullptr;
}

std::vector<std::string> runs_in(const std::string& path) {
  std::error_code error;
  std::vector<std::string> runs;
  if (fs::is_directory(path, error) && metrics_in(path).empty())
    for (const auto& entry : fs::directory_iterator(path, error))
      if (entry.is_directory(error) && !metrics_in(entry.path()).empty()) runs.push_back(entry.path().string());
  std::sort(runs.begin(), runs.end());
  if (runs.empty()) runs.push_back(path);
  return runs;
}

RunResults read_run(const std::string& path, const std::string& name) {
  const fs::path metrics = find_metrics(path);
  std::error_code error;
  check(fs::file_size(metrics, error) <= kMostPictureBytes, "{}: the file is too large to be a run's metrics",
        metrics.string());
  RunResults run;
  run.metrics_path = metrics.string();
  const fs::path folder = fs::absolute(metrics).parent_path();
  std::string plain = path;
  while (plain.size() > 1 && plain.back() == '/') plain.pop_back();
  run.name = !name.empty()                    ? name
             : fs::is_directory(plain, error) ? fs::path(plain).filename().string()
                                              : folder.filename().string();
  if (run.name.empty() || run.name == "." || run.name == "..")
    run.name = fs::absolute(plain).lexically_normal().string();
  try {
    const auto document = nlohmann::ordered_json::parse(read_text(metrics, kMostPictureBytes));
    if (document.value("format", "") != "bevgrad evaluation")
      fail("{}: not the metrics of a bevgrad run", metrics.string());
    run.frames = document.at("frames");
    run.remarks = document.at("remarks").get<std::vector<std::string>>();
    run.headline = document.at("headline").get<std::map<std::string, double>>();
    if (const auto bootstrap = document.find("bootstrap"); bootstrap != document.end()) {
      run.sequences = bootstrap->at("sequences").get<std::vector<std::string>>();
      for (const auto& [figure, values] : bootstrap->at("replicates").items())
        for (const auto& value : values)
          run.replicates[figure].push_back(value.is_null() ? std::numeric_limits<double>::quiet_NaN()
                                                           : value.get<double>());
    }
    for (const auto& table : document.at("tables")) run.tables.push_back(table_from_json(table, metrics.string()));
  } catch (const nlohmann::json::exception& problem) {
    fail("{}: damaged: {}", metrics.string(), problem.what());
  }
  for (const fs::path& place : {folder, folder.parent_path()}) {
    if (run.config.empty() && fs::is_regular_file(place / "config.prototxt", error))
      run.config = read_text(place / "config.prototxt", size_t{1} << 20);
    for (const char* log : {"train.log", "val.log"})
      if (run.log.empty() && fs::is_regular_file(place / log, error)) run.log = last_lines(place / log, 8192);
    if (run.curves.empty()) run.curves = read_run_curves(place.string());
    if (folder.filename().string().rfind("val", 0) != 0)
      break;  // only a val_<step> folder belongs to what is around it
  }
  return run;
}

std::string find_picture(const RunResults& run, const std::string& val_set, const std::string& key) {
  const fs::path path = fs::path(run.metrics_path).parent_path() / picture_file(val_set, key);
  std::error_code error;
  return fs::is_regular_file(path, error) ? path.string() : "";
}

}  // namespace bevgrad
