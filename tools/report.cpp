// bevgrad report: one HTML file about one or more runs.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "base/error.h"
#include "base/files.h"
#include "drawing/report/html_report.h"
#include "evaluation/comparison_text.h"
#include "evaluation/spread.h"
#include "subcommands.h"

namespace bevgrad {
namespace {

/// From here on a page is said to be large.
constexpr size_t kManyBytes = 50'000'000;

/// What `bevgrad run` calls a run's folder, without its seed.
std::string without_seed(const std::string& folder) {
  const size_t seed = folder.rfind("seed=");
  if (seed == std::string::npos || folder.find(',', seed) != std::string::npos) return folder;
  return folder.substr(0, seed == 0 ? 0 : seed - 1);
}

/// What `bevgrad run` keeps in a run's folder, or in the one above it where it was one of several.
std::string commands_of(const std::string& run) {
  const std::filesystem::path folder = std::filesystem::absolute(run).lexically_normal();
  for (const std::filesystem::path& place : {folder.parent_path() / "command.txt", folder / "command.txt"})
    if (std::filesystem::exists(place)) return read_file(place.string());
  return "";
}

/// The run of a path, or all runs of a folder, those that differ in their seed alone as one group.
void add_runs_of(const std::string& path, const std::string& name, std::vector<RunResults>& runs,
                 std::vector<RunGroup>& groups) {
  const std::vector<std::string> paths = runs_in(path);
  const bool is_single = paths.size() == 1 && paths[0] == path;
  const size_t first = groups.size();
  for (const std::string& of_run : paths) {
    runs.push_back(read_run(of_run, is_single ? name : ""));
    std::string group = runs.back().name;
    if (!is_single) {
      const std::string folder =
          name.empty() ? std::filesystem::path(path).lexically_normal().filename().string() : name;
      const std::string variant = without_seed(runs.back().name);
      group = variant.empty() ? folder : folder + " " + variant;
      runs.back().name = folder + " " + runs.back().name;
    }
    const auto known = std::find_if(groups.begin() + static_cast<std::ptrdiff_t>(first), groups.end(),
                                    [&](const RunGroup& one) { return !is_single && one.name == group; });
    (known == groups.end() ? groups.emplace_back(RunGroup{group, {}, commands_of(of_run)}) : *known)
        .headlines.push_back(runs.back().headline);
  }
}

}  // namespace

void add_report(CLI::App& app) {
  struct Flags {
    std::vector<std::string> runs, names;
    std::string out = "report.html", markdown;
    ReportOptions options;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("report", "one self-contained HTML file about runs, side by side");
  command
      ->add_option("runs", flags->runs,
                   "run folders, folders of such (of run --seeds), or metrics.json files; the first one is the base")
      ->required();
  command->add_option("--names", flags->names, "how the report calls them, in the same order")->delimiter(',');
  command->add_option("--out", flags->out, "the file that is written")->capture_default_str();
  command->add_option("--markdown", flags->markdown,
                      "also a page with a row a run, or a group of runs that differ in their seed alone");
  command->add_option("--title", flags->options.title, "the report's title")->capture_default_str();
  command->add_option("--samples", flags->options.samples, "worst and best samples with their pictures, each")
      ->check(CLI::Range(0, 100))
      ->capture_default_str();
  command->add_option("--drives", flags->options.drives, "drives of each run with their stitched maps")
      ->check(CLI::Range(0, 100))
      ->capture_default_str();
  command->callback([flags] {
    if (!flags->names.empty() && flags->names.size() != flags->runs.size())
      throw UsageError(fmt::format("--names: {} names for {} runs", flags->names.size(), flags->runs.size()));
    std::vector<RunResults> runs;
    std::vector<RunGroup> groups;
    for (size_t i = 0; i < flags->runs.size(); ++i)
      add_runs_of(flags->runs[i], flags->names.empty() ? "" : flags->names[i], runs, groups);
    if (groups.size() < runs.size()) flags->options.spread = spread_table(groups);
    const size_t bytes = write_html_report(flags->out, runs, flags->options);
    if (bytes >= kManyBytes)
      fmt::print(
          stderr,
          "warning: {} has {} MB, which a browser opens slowly; fewer runs, --samples or --drives make it smaller\n",
          flags->out, bytes / 1000000);
    if (!flags->markdown.empty()) write_text_file(flags->markdown, spread_markdown(groups));
    if (flags->options.spread) {
      fmt::print("{}\n{}\n", to_text(*flags->options.spread), flags->out);
      return;
    }
    for (size_t i = 1; i < runs.size(); ++i) {
      fmt::print("{}\n", to_text(headline_comparison(runs[0].headline_with_intervals(),
                                                     runs[i].headline_with_intervals(), runs[0].name, runs[i].name)));
      const Table *a = runs[0].table("iou"), *b = runs[i].table("iou");
      if (a && b) fmt::print("{}\n", iou_comparison_text(*a, *b, runs[0].name, runs[i].name));
    }
    fmt::print("{}\n", flags->out);
  });
}

}  // namespace bevgrad
