#include "train/run_folder.h"

#include <fmt/format.h>
#include <algorithm>
#include <chrono>
#include <filesystem>

#include "base/error.h"
#include "configs/load.h"
#include "formats/hdf5/tensor_file.h"
#include "train/work_dir.h"
#include "train/work_lock.h"

namespace bevgrad {
namespace {

namespace fs = std::filesystem;

constexpr int kDeepest = 3;

bool is_run(const fs::path& folder) {
  std::error_code ignored;
  return fs::is_regular_file(folder / "config.prototxt", ignored) && fs::is_directory(folder / "checkpoints", ignored);
}

uint64_t bytes_of(const fs::path& path) {
  std::error_code error;
  if (fs::is_regular_file(path, error)) return fs::file_size(path, error);
  uint64_t bytes = 0;
  for (fs::recursive_directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code ignored;
    if (entry->is_regular_file(ignored)) bytes += entry->file_size(ignored);
  }
  return bytes;
}

double days_since_written(const fs::path& folder) {
  std::error_code error;
  auto newest = fs::file_time_type::min();
  for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code failed;
    const auto time = entry->last_write_time(failed);
    if (!failed && entry->is_regular_file(failed)) newest = std::max(newest, time);
  }
  if (newest == fs::file_time_type::min()) return 0;
  return std::chrono::duration<double>(fs::file_time_type::clock::now() - newest).count() / 86400;
}

void read_best(const std::string& path, RunFolder& run) {
  if (!fs::exists(path) || run.metric.empty()) return;
  const Hdf5Reader file(path);
  const auto number = [&](const std::string& name) -> std::optional<double> {
    const std::string at = "validation/" + name;
    return file.contains(at) ? std::optional(file.read(at).item()) : std::nullopt;
  };
  run.best = number(run.metric);
  if (const auto step = number("best_step")) run.best_step = static_cast<int64_t>(*step);
}

void find_disposable(const fs::path& folder, RunFolder& run) {
  const auto add = [&](const fs::path& path) { run.disposable.emplace_back(path.string(), bytes_of(path)); };
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("checkpoints.") && entry.is_directory(error)) add(entry.path());
    if (run.holder.empty() && is_leftover(name)) add(entry.path());
  }
  for (const auto& entry : fs::directory_iterator(folder / "checkpoints", error)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".damaged") || (run.holder.empty() && is_leftover(name))) add(entry.path());
  }
  std::sort(run.disposable.begin(), run.disposable.end());
}

RunFolder look_at(const fs::path& folder) {
  RunFolder run;
  run.path = folder.string();
  run.holder = lock_holder(run.path);
  run.bytes = bytes_of(folder);
  run.idle_days = days_since_written(folder);
  find_disposable(folder, run);
  const WorkDir work(run.path);
  if (const std::vector<std::string> checkpoints = work.checkpoints(); !checkpoints.empty()) {
    run.checkpoint = checkpoints.front();
    run.step = WorkDir::step_of_checkpoint(run.checkpoint);
  }
  try {
    const configs::Document document = configs::load({.config = (folder / "config.prototxt").string()});
    const config::Train& train = document.proto.train();
    run.total_steps = train.train_steps() + train.finetune_steps();
    run.metric = train.checkpoint_metric();
    run.has_output = fs::exists(folder / train.output_checkpoint());
    read_best(work.best_checkpoint(), run);
  } catch (const Error& error) {
    run.problem = error.what();
  }
  return run;
}

void search(const fs::path& folder, int depth, std::vector<RunFolder>& runs) {
  if (is_run(folder)) {
    runs.push_back(look_at(folder));
    return;
  }
  if (depth == 0) return;
  std::vector<fs::path> below;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (!entry.is_symlink(error) && entry.is_directory(error)) below.push_back(entry.path());
  std::sort(below.begin(), below.end());
  for (const fs::path& path : below) search(path, depth - 1, runs);
}

}  // namespace

std::string RunFolder::state() const {
  if (!holder.empty()) return "running";
  if (has_output && (total_steps == 0 || step >= total_steps || best_step >= 0)) return "done";
  return checkpoint.empty() ? "has no checkpoint" : "can be resumed";
}

std::vector<RunFolder> find_runs(const std::string& folder) {
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) throw UsageError(fmt::format("{}: there is no such folder", folder));
  std::vector<RunFolder> runs;
  search(folder, kDeepest, runs);
  return runs;
}

}  // namespace bevgrad
