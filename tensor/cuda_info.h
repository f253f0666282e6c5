// What the CUDA side of this build consists of, for people to read.
#pragma once
#include <string>
#include <utility>
#include <vector>

namespace bevgrad {

/// Lines "CUDA runtime": "13.0", "cuDNN": "9.19.0 (built against 9.19.0)", "device cuda:0": "...", in this order:
/// libraries, the driver, the devices or why there is none.
std::vector<std::pair<std::string, std::string>> cuda_info();

}  // namespace bevgrad
