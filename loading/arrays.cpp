#include "loading/arrays.h"

#include <algorithm>

#include "formats/npz/file.h"
#include "formats/state_dict.h"

namespace bevgrad::loading {

Tensor read_npy(const std::string& path) {
  return to_tensor(bevgrad::read_npy(open_file(path)), path);
}

std::vector<Tensor> read_arrays(const std::string& path, const std::vector<std::string>& names) {
  const CheckpointFile file = open_checkpoint(path);
  const std::vector<NamedTensor> held = named_tensors(file);
  std::vector<Tensor> result;
  for (const std::string& name : names) {
    const auto found = std::ranges::find(held, name, &NamedTensor::name);
    std::string all;
    for (const NamedTensor& array : held) all += (all.empty() ? "" : ", ") + array.name;
    check(found != held.end(), "{}: no array is called {}, there are {}", path, name, all);
    result.push_back(to_tensor(found->tensor, path + ": " + name));
  }
  return result;
}

}  // namespace bevgrad::loading
