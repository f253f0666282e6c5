// bevgrad serve: trainings as a page for a browser.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>

#include "base/console.h"
#include "base/signals.h"
#include "subcommands.h"
#include "watching/run_server.h"

namespace bevgrad {

void add_serve(CLI::App& app) {
  struct Flags {
    std::string folder = "work_dirs";
    int port = 0;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("serve",
                                         "a page about trainings for a browser on "
                                         "this machine, read-only; Ctrl-C ends it");
  command->add_option("folder", flags->folder, "a work folder, or one that holds some (default: work_dirs)");
  command->add_option("--port", flags->port, "of 127.0.0.1 (default: any free one)")->check(CLI::Range(1, 65535));
  command->callback([flags] {
    const StopSignals signals;
    const RunServer server(flags->folder, flags->port);
    write_console(stdout, fmt::format("open {}\n(from elsewhere: ssh -L {}:127.0.0.1:{} this machine)\n",
                                      server.address(), server.port(), server.port()));
    while (StopSignals::caught() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  });
}

}  // namespace bevgrad
