#include "train/work_dir.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/files.h"

namespace bevgrad {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "step_";
constexpr std::string_view kSuffix = ".h5";

/// The step in "step_00001200.h5", or -1.
int64_t step_of(const std::string& name) {
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix) || name.size() <= kPrefix.size() + kSuffix.size())
    return -1;
  const char* first = name.data() + kPrefix.size();
  const char* last = name.data() + name.size() - kSuffix.size();
  int64_t step = -1;
  const auto [end, code] = std::from_chars(first, last, step);
  return code == std::errc() && end == last ? step : -1;
}

}  // namespace

WorkDir::WorkDir(const std::string& path, bool trains) : path_(path) {
  std::error_code error;
  fs::create_directories(fs::path(path) / "checkpoints", error);
  if (error) throw UsageError(fmt::format("{}: cannot make this work folder: {}", path, error.message()));
  if (!trains) return;
  lock_ = WorkLock(path);
  sweep_leftovers(path);
  sweep_leftovers(path + "/checkpoints");
}

std::string WorkDir::checkpoint_file(int64_t step) const {
  return fmt::format("{}/checkpoints/{}{:08}{}", path_, kPrefix, step, kSuffix);
}

int64_t WorkDir::step_of_checkpoint(const std::string& path) {
  return step_of(fs::path(path).filename().string());
}

std::vector<std::string> WorkDir::checkpoints() const {
  std::vector<std::pair<int64_t, std::string>> found;
  for (const auto& entry : fs::directory_iterator(fs::path(path_) / "checkpoints")) {
    if (const int64_t step = step_of(entry.path().filename().string()); step >= 0)
      found.emplace_back(step, entry.path().string());
  }
  std::sort(found.rbegin(), found.rend());
  std::vector<std::string> paths;
  for (auto& [step, path] : found) paths.push_back(std::move(path));
  return paths;
}

void WorkDir::prune_checkpoints(const RetentionRule& rule) const {
  std::vector<StoredCheckpoint> stored;
  for (const std::string& path : checkpoints()) {
    std::error_code error;
    const auto written = fs::last_write_time(path, error);
    const std::chrono::duration<double, std::ratio<3600>> age = fs::file_time_type::clock::now() - written;
    stored.push_back({step_of_checkpoint(path), error ? 0 : age.count()});
  }
  for (const int64_t step : disposable_checkpoints(stored, rule)) {
    std::error_code ignored;
    fs::remove(checkpoint_file(step), ignored);
  }
}

std::string WorkDir::set_checkpoints_aside() const {
  const fs::path best = fs::path(path_) / "best.ckpt";
  if (checkpoints().empty() && !fs::exists(best_checkpoint())) return "";
  const fs::path folder = fs::path(path_) / "checkpoints";
  for (int i = 1;; ++i) {
    const fs::path aside = fs::path(path_) / fmt::format("checkpoints.{}", i);
    if (fs::exists(aside)) continue;
    std::error_code error;
    fs::rename(folder, aside, error);
    if (!error) fs::create_directories(folder, error);
    if (!error && fs::exists(best)) fs::rename(best, aside / "best.ckpt", error);
    check(!error, "{}: cannot move the checkpoints of an earlier run aside: {}", folder.string(), error.message());
    return aside.string();
  }
}

void WorkDir::write_text(const std::string& name, const std::string& text) const {
  write_text_file(file(name), text);
}

}  // namespace bevgrad
