// float_pretrain: loads parameters of another run into a model and reports, for each, whether and where it was used.
#pragma once
#include <string>
#include <vector>

#include "formats/state_dict.h"
#include "tensor/tensor.h"

namespace bevgrad {

struct PretrainReport {
  std::string file;
  /// Cut from all names of the file, "module." say.
  std::string stripped_prefix;
  std::vector<std::string> loaded = {};
  /// In the model, not in the file: they keep their values.
  std::vector<std::string> missing = {};
  /// In the file, not in the model.
  std::vector<std::string> unexpected = {};
  /// "lane.weight: the file has [8,32,1,1], the model [9,32,1,1]"; they keep their values.
  std::vector<std::string> other_shape = {};

  /// A line of totals, then one line a top-level module for each kind that is not empty.
  std::string summary() const;
};

/// Copies the file's values into the tensors of the same names (converted to each tensor's dtype), in place. `model`
/// lists the model's parameters and buffers by name. Throws where the file cannot be read or no name matches at all.
PretrainReport load_pretrained(const std::string& path, const StateDict& model);

}  // namespace bevgrad
