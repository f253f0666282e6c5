// Flags that several subcommands share.
#pragma once
#include <CLI/App.hpp>
#include <string>
#include <vector>

#include "configs/load.h"

namespace bevgrad {

/// --config, --set, --threads, --device.
struct ConfigFlags {
  std::string config;
  std::vector<std::string> sets;
  int threads = 0;
  std::string device = "cpu";

  void add_to(CLI::App& command);
  /// The config that the flags and LEAPAI_TASK_CONFIG name. Throws UsageError.
  configs::Document load() const;
  /// Checks the device and sets the number of threads; returns it. `local_ranks` share the cores.
  int prepare_device() const;
};

}  // namespace bevgrad
