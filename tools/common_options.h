// Flags that several subcommands share.
#pragma once
#include <CLI/App.hpp>
#include <string>
#include <vector>

#include "configs/load.h"
#include "tensor/device.h"
#include "train/parts.h"

namespace bevgrad {

/// --config, --set, --threads, --device.
struct ConfigFlags {
  std::string config;
  std::vector<std::string> sets;
  int threads = 0;
  std::string device = "cpu";

  /// What config fields that name a part can name.
  const Parts* parts = nullptr;

  /// `parts` must live as long as this.
  void add_to(CLI::App& command, const Parts& parts);
  /// The config that the flags and LEAPAI_TASK_CONFIG name, its parts judged too; sets whether GPUs may compute in
  /// TF32. Throws UsageError.
  configs::Document load() const;
  /// The device that --device names: "cuda" without a number is the one of this process's place on its machine. Throws
  /// UsageError where it cannot be used.
  Device compute_device() const;
  /// Checks the device and sets the number of threads; returns it.
  int prepare_device() const;
};

}  // namespace bevgrad
