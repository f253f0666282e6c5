#include "command_line.h"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "base/console.h"
#include "base/error.h"
#include "base/near_names.h"
#include "base/signals.h"
#include "base/text.h"
#include "base/version.h"
#include "distributed/launch/error_file.h"
#include "output.h"
#include "subcommands.h"

namespace bevgrad {
namespace {

constexpr size_t kMessageWidth = 8000;

/// One line, whatever an exception says.
void print_error(const std::string& program, const std::string& message) {
  std::string line = message;
  while (!line.empty() && line.back() == '\n') line.pop_back();
  std::replace(line.begin(), line.end(), '\n', ' ');
  std::fflush(stdout);
  // File names and what files hold are in it: nothing of them reaches the terminal as a control character.
  write_console(stderr, fmt::format("{}: {}\n", program, printable(line, kMessageWidth)));
}

/// A launcher shows it too.
int print_usage_error(const std::string& program, const std::string& message) {
  write_error_file(message);
  print_error(program, message);
  return 2;
}

/// The first word must be a subcommand: CLI11 only says that one is missing.
void check_subcommand(const CLI::App& app, int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-') return;
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  if (std::find(names.begin(), names.end(), argv[1]) == names.end())
    throw UsageError(fmt::format("there is no subcommand \"{}\"{} ({} --help)", argv[1], did_you_mean(argv[1], names),
                                 app.get_name()));
}

/// Threads that wait for work must soon sleep: the loader's threads, and whoever else runs here, need the cores
/// (measured with the cores taken by others: more than 3 s a step with OpenMP's usual spinning, 0.9 s with this little;
/// alone, no difference). OpenMP reads its variables before main(), so the program starts itself once more where the
/// user has not chosen.
void prefer_sleeping_threads(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") || std::getenv("GOMP_SPINCOUNT")) return;
  if (setenv("GOMP_SPINCOUNT", "2000", 1) == 0) execv("/proc/self/exe", argv);
}

}  // namespace

int run_command_line(int argc, char** argv, const Parts& parts) {
  prefer_sleeping_threads(argv);
  // After that start the system calls this process "exe".
  prctl(PR_SET_NAME, program_invocation_short_name);
  // A file that grows past the limit of its size is an error of the write, after which what is unfinished is removed.
  std::signal(SIGXFSZ, SIG_IGN);
  const std::string program = argc > 0 ? std::filesystem::path(argv[0]).filename().string() : "bevgrad";
  CLI::App app{"Bird's-eye-view perception: cameras and LiDAR in, a static road map out.", program};
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("bevgrad ") + kVersion);
  app.failure_message([](const CLI::App*, const CLI::Error& error) { return std::string(error.what()) + "\n"; });
  add_run(app, parts);
  std::vector<std::string> launched;
  add_launch(app, launched);
  add_generate(app, parts);
  add_import_nuscenes(app);
  add_import_av2(app);
  add_import_folder(app);
  add_import_kitti(app);
  add_camera(app);
  add_data(app, parts);
  add_predict(app, parts);
  add_export(app, parts);
  add_calibrate(app, parts);
  add_eval(app, parts);
  add_convert(app, parts);
  add_inspect(app);
  add_compare(app);
  add_merge(app);
  add_edit(app);
  add_report(app);
  add_runs(app);
  add_watch(app);
  add_serve(app);
  add_cache(app, parts);
  add_bench(app, parts);
  add_info(app);
  try {
    check_subcommand(app, argc, argv);
    std::vector<char*> words(argv, argv + argc);
    // What follows `launch ... --` is another program's.
    const auto separator = std::find(words.begin(), words.end(), std::string_view("--"));
    if (argc > 1 && std::string_view(argv[1]) == "launch" && separator != words.end()) {
      launched.assign(separator + 1, words.end());
      words.erase(separator, words.end());
    }
    app.parse(static_cast<int>(words.size()), words.data());
    finish_output();
    return 0;
  } catch (const CLI::RuntimeError& error) {
    std::fflush(stdout);
    return error.get_exit_code();  // what was printed, or what `launch` ran, has said why
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {  // --help, --version
      app.exit(error);
      std::cout.flush();
      if (std::cout.good()) return 0;
      print_error(program, "the standard output cannot be written");
      return 1;
    }
    return print_usage_error(program, fmt::format("{} ({} --help)", error.what(), program));
  } catch (const UsageError& error) {
    return print_usage_error(program, error.what());
  } catch (const Interrupted& interrupted) {
    print_error(program, interrupted.what());
    return interrupted.exit_status();
  } catch (const std::bad_alloc&) {
    print_error(program, "out of memory");
    return 1;
  } catch (const std::exception& error) {
    print_error(program, error.what());
    return 1;
  }
}

}  // namespace bevgrad
