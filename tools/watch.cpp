// bevgrad watch: a training in a terminal.
#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <clocale>
#include <cstdio>
#include <cstring>
#include <memory>
#include <thread>

#include "base/console.h"
#include "base/error.h"
#include "base/signals.h"
#include "output.h"
#include "subcommands.h"
#include "watching/run_view.h"

namespace bevgrad {
namespace {

struct WatchFlags {
  std::string folder;
  double interval = 2;
  bool once = false;
};

RunFolder the_run(const std::string& folder) {
  const std::vector<RunFolder> runs = find_runs(folder);
  if (runs.empty()) throw UsageError(fmt::format("{}: no work folder of a training here", folder));
  if (runs.size() == 1) return runs.front();
  std::string names;
  for (const RunFolder& run : runs) names += (names.empty() ? "" : ", ") + run.path;
  throw UsageError(fmt::format("{}: it holds several trainings, expected one of {}", folder, names));
}

void watch(const WatchFlags& flags) {
  std::setlocale(LC_CTYPE, "");
  ViewOptions options{.height = 0, .is_utf8 = std::strcmp(nl_langinfo(CODESET), "UTF-8") == 0};
  RunProgress progress(the_run(flags.folder).path);
  if (flags.once || isatty(STDOUT_FILENO) != 1) {
    progress.update();
    print(view_of(the_run(flags.folder), progress, options));
    return;
  }
  const StopSignals signals;
  while (StopSignals::caught() == 0) {
    winsize size = {};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
      options.width = size.ws_col;
      options.height = size.ws_row;
    }
    progress.update();
    const RunFolder run = the_run(flags.folder);
    write_console(stdout, "\033[H\033[2J" + view_of(run, progress, options));
    if (run.state() == "done") return;
    const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(flags.interval);
    while (StopSignals::caught() == 0 && std::chrono::steady_clock::now() < until)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

}  // namespace

void add_watch(CLI::App& app) {
  auto flags = std::make_shared<WatchFlags>();
  CLI::App* command = app.add_subcommand("watch",
                                         "a training while it goes on: curves, rate, time left, memory, "
                                         "ranks, pictures; Ctrl-C ends the view");
  command->add_option("run", flags->folder, "its work folder")->required();
  command->add_flag("--once", flags->once, "print it once; so does output that is no terminal");
  command->add_option("--interval", flags->interval, "seconds between two looks")->check(CLI::Range(0.1, 3600.0));
  command->callback([flags] { watch(*flags); });
}

}  // namespace bevgrad
