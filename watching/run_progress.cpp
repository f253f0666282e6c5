#include "watching/run_progress.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace bevgrad {
namespace {

namespace fs = std::filesystem;

constexpr std::streamoff kLogTail = 1 << 18;
constexpr const char* kSpeed = "train/steps_per_second";

/// A file of the run itself: no link that leads elsewhere.
bool is_own_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(fs::symlink_status(path, error));
}

/// Folders of validations, the newest first.
std::vector<fs::path> validations(const std::string& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    std::error_code failed;
    if (entry.path().filename().string().starts_with("val_") && !entry.is_symlink(failed) && entry.is_directory(failed))
      found.push_back(entry.path());
  }
  std::ranges::sort(found, std::greater());
  return found;
}

}  // namespace

void RunProgress::take(const std::string& line) {
  const nlohmann::json entry = nlohmann::json::parse(line, nullptr, false);
  if (!entry.is_object() || !entry.contains("step") || !entry["step"].is_number_integer()) return;
  step_ = entry["step"].get<int64_t>();
  for (const auto& [name, value] : entry.items()) {
    if (name == "time" && value.is_number()) time_ = value.get<double>();
    if (name == "step" || name == "time" || !value.is_number()) continue;
    Curve& curve = curves_[name];
    while (!curve.empty() && curve.back().first >= step_) curve.pop_back();
    curve.emplace_back(step_, value.get<double>());
  }
}

void RunProgress::update() {
  std::ifstream stream(folder_ + "/scalars.jsonl", std::ios::binary);
  std::string first;
  if (!stream || !std::getline(stream, first)) return;
  stream.seekg(0, std::ios::end);
  const auto size = static_cast<uint64_t>(stream.tellg());
  if (size < offset_ || first != first_line_) {
    curves_.clear();
    step_ = -1;
    offset_ = 0;
    first_line_ = first;
  }
  stream.seekg(static_cast<std::streamoff>(offset_));
  for (std::string line; std::getline(stream, line) && !stream.eof();) {
    take(line);
    offset_ += line.size() + 1;
  }
}

double RunProgress::last(const std::string& name, double missing) const {
  const auto found = curves_.find(name);
  return found == curves_.end() || found->second.empty() ? missing : found->second.back().second;
}

int RunProgress::ranks() const {
  int ranks = 0;
  const auto is_current = [&](const std::string& name) {
    const auto found = curves_.find(name);
    const auto loss = curves_.find("train/loss");
    return found != curves_.end() && !found->second.empty() && loss != curves_.end() &&
           found->second.back().first >= loss->second.back().first;
  };
  while (is_current(fmt::format("rank{}/data", ranks))) ++ranks;
  return ranks;
}

double RunProgress::seconds_left(int64_t total) const {
  const double rate = last(kSpeed);
  return rate > 0 && step_ >= 0 ? static_cast<double>(std::max<int64_t>(0, total - step_)) / rate : -1;
}

Curve thinned(const Curve& curve, size_t most) {
  if (curve.size() <= most || most == 0) return curve;
  Curve result;
  for (size_t i = 1; i <= most; ++i) result.push_back(curve[i * curve.size() / most - 1]);
  return result;
}

std::vector<std::string> last_warnings(const std::string& folder, size_t most) {
  std::vector<std::string> warnings;
  std::ifstream stream(folder + "/train.log", std::ios::binary);
  if (!stream) return warnings;
  stream.seekg(0, std::ios::end);
  stream.seekg(std::max<std::streamoff>(0, static_cast<std::streamoff>(stream.tellg()) - kLogTail));
  for (std::string line; std::getline(stream, line);)
    if (line.find(" warning: ") != std::string::npos) warnings.push_back(line);
  if (warnings.size() > most) warnings.erase(warnings.begin(), warnings.end() - static_cast<std::ptrdiff_t>(most));
  return warnings;
}

std::vector<std::string> last_pictures(const std::string& folder, size_t most) {
  std::vector<std::string> pictures;
  for (const fs::path& validation : validations(folder)) {
    std::error_code error;
    for (fs::recursive_directory_iterator entry(validation, error), end; !error && entry != end;
         entry.increment(error)) {
      const std::string extension = entry->path().extension().string();
      if ((extension == ".png" || extension == ".gif" || extension == ".apng") && is_own_file(entry->path()))
        pictures.push_back(entry->path().string());
    }
    if (!pictures.empty()) break;
  }
  std::ranges::sort(pictures);
  if (pictures.size() > most) pictures.resize(most);
  return pictures;
}

std::string last_report(const std::string& folder) {
  for (const fs::path& validation : validations(folder))
    if (const fs::path report = validation / "report.html"; is_own_file(report)) return report.string();
  return "";
}

}  // namespace bevgrad
