// bevgrad runs: what lies in work folders.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "subcommands.h"
#include "train/run_folder.h"

namespace bevgrad {
namespace {

std::string size(uint64_t bytes) {
  const auto number = static_cast<double>(bytes);
  return number >= 1e9 ? fmt::format("{:.2f} GB", number / 1e9) : fmt::format("{:.1f} MB", number / 1e6);
}

void print_runs(const RunFolder& run) {
  std::string line = fmt::format("{}: {}", run.path, run.state());
  if (!run.holder.empty()) line += fmt::format(" ({})", run.holder);
  if (run.step >= 0)
    line += run.total_steps > 0
                ? fmt::format(", step {} of {} ({}%)", run.step, run.total_steps, 100 * run.step / run.total_steps)
                : fmt::format(", step {}", run.step);
  if (run.best) line += fmt::format(", best {} {:.4f} at step {}", run.metric, *run.best, run.best_step);
  fmt::print("{}, {}, written to {:.1f} days ago\n", line, size(run.bytes), run.idle_days);
  if (run.state() == "can be resumed") fmt::print("    --resume auto goes on from {}\n", run.checkpoint);
  if (!run.problem.empty()) fmt::print("    {}\n", run.problem);
  for (const auto& [path, bytes] : run.disposable) fmt::print("    can be deleted: {} ({})\n", path, size(bytes));
}

}  // namespace

void add_runs(CLI::App& app) {
  auto folder = std::make_shared<std::string>("work_dirs");
  CLI::App* command = app.add_subcommand("runs", "the trainings in a folder: state, step, best metric, what can go");
  command->add_option("folder", *folder, "a work folder, or one that holds some (default: work_dirs)");
  command->callback([folder] {
    const std::vector<RunFolder> runs = find_runs(*folder);
    for (const RunFolder& run : runs) print_runs(run);
    if (runs.empty()) fmt::print("{}: no work folder here\n", *folder);
  });
}

}  // namespace bevgrad
