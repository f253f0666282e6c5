// A profile for people: tables by operation, kernel and module, and a trace for chrome://tracing or Perfetto.
#pragma once
#include <string>
#include <vector>

#include "nn/module.h"
#include "tensor/profile.h"

namespace bevgrad {

/// Seconds that convolutions and matrix products took, and all kernels and operations together.
struct ProfileShares {
  double heavy = 0;
  double total = 0;
  double heavy_flops = 0;
};
ProfileShares shares_of(const std::vector<profile::Event>& events);

/// Tables, the longest first. `root` gives modules their names.
std::string profile_table(const std::vector<profile::Event>& events, Module& root);

/// Trace events (JSON): operations in one row, kernels in another.
std::string chrome_trace(const std::vector<profile::Event>& events, Module& root);

}  // namespace bevgrad
