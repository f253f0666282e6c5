// The libraries that carry collectives, for people to read.
#pragma once
#include <string>
#include <utility>
#include <vector>

namespace bevgrad {

/// {"Gloo", "..."} and, in builds with CUDA, {"NCCL", "2.28.9"}.
std::vector<std::pair<std::string, std::string>> collective_libraries();

}  // namespace bevgrad
