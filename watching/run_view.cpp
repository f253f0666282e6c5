#include "watching/run_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <sstream>

#include "base/text.h"
#include "train/data_parallel/step_times.h"
#include "train/logging/run_log.h"

namespace bevgrad {
namespace {

constexpr std::array kBlocks = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr std::string_view kLetters = "_.-=+*%#";
constexpr int kNameWidth = 24, kNumberWidth = 10;
constexpr size_t kMostRanks = 16, kLongestLine = 2000;

bool is_of_rank(const std::string& name) {
  return name.starts_with("rank") && name.find('/') != std::string::npos;
}

/// What people look at first comes first.
std::vector<std::string> in_order(const std::map<std::string, Curve>& curves) {
  std::vector<std::string> names;
  for (const auto& [name, curve] : curves)
    if (!is_of_rank(name) && !curve.empty()) names.push_back(name);
  std::ranges::stable_sort(names, {}, [](const std::string& name) {
    return name == "train/loss" ? 0 : name.starts_with("val") ? 1 : name.starts_with("train/") ? 2 : 3;
  });
  return names;
}

std::string table_of_ranks(const RunProgress& progress, size_t ranks) {
  std::string text = fmt::format("{:<{}}", "seconds a step", kNameWidth);
  for (const char* part : kStepParts) text += fmt::format("{:>{}}", part, kNumberWidth);
  text += "\n";
  for (size_t rank = 0; rank < std::min(ranks, kMostRanks); ++rank) {
    text += fmt::format("{:<{}}", fmt::format("  rank {}", rank), kNameWidth);
    for (const char* part : kStepParts)
      text += fmt::format("{:>{}.3f}", progress.last(fmt::format("rank{}/{}", rank, part)), kNumberWidth);
    text += "\n";
  }
  return text;
}

std::string headline(const RunFolder& run, const RunProgress& progress) {
  std::string line = fmt::format("{}: {}", run.path, run.state());
  if (!run.holder.empty()) line += fmt::format(" ({})", run.holder);
  return line + (run.problem.empty() ? "" : "; " + run.problem) + (progress.step() < 0 ? "; no numbers yet" : "");
}

std::string progress_line(const RunFolder& run, const RunProgress& progress, int width) {
  const int64_t done = std::max(progress.step(), std::max<int64_t>(0, run.step));
  std::string line = fmt::format("step {}", done);
  if (run.total_steps > 0) line += fmt::format(" of {} ({}%)", run.total_steps, 100 * done / run.total_steps);
  if (const double rate = progress.last("train/steps_per_second"); rate > 0)
    line += rate >= 1 ? fmt::format(", {:.1f} steps/s", rate) : fmt::format(", {:.1f} s a step", 1 / rate);
  if (const double left = progress.seconds_left(run.total_steps); !run.holder.empty() && left >= 0)
    line += fmt::format(", ETA {}", format_duration(left));
  if (const double memory = progress.last("train/memory_gb"); memory > 0) line += fmt::format(", {:.2f} GB", memory);
  if (const int ranks = progress.ranks(); ranks > 0) line += fmt::format(", {} rank(s)", ranks);
  if (progress.time() > 0) {
    const double now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    line += fmt::format(", last heard {} ago", format_duration(std::max(0.0, now - progress.time())));
  }
  if (run.total_steps <= 0) return line;
  const int room = std::clamp(width - 2, 10, 60);
  const auto full = static_cast<size_t>(std::clamp<int64_t>(room * done / run.total_steps, 0, room));
  return line + "\n[" + std::string(full, '#') + std::string(static_cast<size_t>(room) - full, '.') + "]";
}

}  // namespace

std::string spark_line(const Curve& curve, int width, bool is_utf8) {
  const Curve shown = thinned(curve, static_cast<size_t>(std::max(1, width)));
  if (shown.empty()) return "";
  const auto [low, high] = std::ranges::minmax(shown, {}, [](const auto& point) { return point.second; });
  const double range = high.second - low.second;
  std::string text;
  for (const auto& [step, value] : shown) {
    const double share = range > 0 ? (value - low.second) / range : 0.5;
    const auto level = static_cast<size_t>(std::clamp(share * 8, 0.0, 7.0));
    text += is_utf8 ? std::string(kBlocks[level]) : std::string(1, kLetters[level]);
  }
  return text;
}

std::string view_of(const RunFolder& run, const RunProgress& progress, const ViewOptions& options) {
  std::string head = headline(run, progress) + "\n" + progress_line(run, progress, options.width) + "\n";
  if (run.best) head += fmt::format("best {} {:.4f} at step {}\n", run.metric, *run.best, run.best_step);
  std::string tail;
  if (const int ranks = progress.ranks(); ranks > 0) tail += table_of_ranks(progress, static_cast<size_t>(ranks));
  for (const std::string& picture : last_pictures(run.path, 3)) tail += fmt::format("picture {}\n", picture);
  for (const std::string& warning : last_warnings(run.path, 3)) tail += warning + "\n";
  std::vector<std::string> names = in_order(progress.curves());
  const auto used = std::ranges::count(head + tail, '\n');
  if (options.height > 0)
    names.resize(std::min(names.size(), static_cast<size_t>(std::max<int64_t>(1, options.height - used - 1))));
  std::string curves;
  for (const std::string& name : names) {
    const int room = options.width - kNameWidth - kNumberWidth - 2;
    curves += fmt::format("{:<{}}{:>{}.4g}  {}\n", name.substr(0, kNameWidth - 1), kNameWidth,
                          progress.curves().at(name).back().second, kNumberWidth,
                          spark_line(progress.curves().at(name), room, options.is_utf8));
  }
  // Names and texts of files: no control character of theirs reaches a terminal.
  std::istringstream lines(head + curves + tail);
  std::string text;
  for (std::string line; std::getline(lines, line);) text += printable(line, kLongestLine) + "\n";
  return text;
}

}  // namespace bevgrad
