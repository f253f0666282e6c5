// What computes here: processor, libraries and devices, for people to read.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "tensor/device.h"

namespace bevgrad {

/// What decides the bits of a result on `device` beside its inputs: the library and its kernels, and whether Winograd's
/// convolution is on. The number of threads and the batch are not among it.
std::string arithmetic(Device device);

/// Pairs of what and which, in the order in which they are to be read: {"oneDNN", "2.6.3, kernels for AVX2"},
/// {"cuDNN", "9.19.0"}, {"cuda:0", "..."}, or {"CUDA devices", why there is none}.
std::vector<std::pair<std::string, std::string>> build_info();

}  // namespace bevgrad
