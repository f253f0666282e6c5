// Arrays of files, whole or by name.
#pragma once
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace bevgrad::loading {

/// The array of NumPy's .npy file. Throws Error naming the file, also for one that holds no numbers.
Tensor read_npy(const std::string& path);

/// The arrays of these names in a file of several: .npz, HDF5 (a name in a group is "group.name"), safetensors and what
/// else formats/state_dict.h opens. Only they are read. Throws Error naming the file and a name that is not in it.
///   const TensorDataset set(read_arrays("digits.npz", {"pictures", "labels"}));
std::vector<Tensor> read_arrays(const std::string& path, const std::vector<std::string>& names);

}  // namespace bevgrad::loading
