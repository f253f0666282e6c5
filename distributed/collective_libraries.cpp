#include "distributed/collective_libraries.h"

#ifdef BEVGRAD_CUDA
#include <fmt/core.h>
#include <nccl.h>
#endif

namespace bevgrad {

std::vector<std::pair<std::string, std::string>> collective_libraries() {
  std::vector<std::pair<std::string, std::string>> libraries = {{"Gloo", "CPU tensors"}};
#ifdef BEVGRAD_CUDA
  int version = 0;
  if (ncclGetVersion(&version) == ncclSuccess)
    libraries.emplace_back("NCCL", fmt::format("{}.{}.{}", version / 10000, version % 10000 / 100, version % 100));
#endif
  return libraries;
}

}  // namespace bevgrad
