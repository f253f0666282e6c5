// Tensors in another floating-point dtype, converted as they are read.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "formats/stored_tensor.h"

namespace bevgrad {

/// Stores a value as float64, float32, float16 or bfloat16 and returns what was stored.
double from_double(StoredDType dtype, double value, std::byte* to);

/// Converts storages, each once a dtype, so that tensors that share one go on sharing it.
class TensorConverter {
 public:
  TensorConverter();
  ~TensorConverter();

  /// float32, float64, float16 or bfloat16 out of any real floating-point dtype; other tensors stay as they are.
  StoredTensor convert(const StoredTensor& tensor, StoredDType dtype, const std::string& name);

  /// How many finite values became infinite, once the tensors have been read: "name of a storage's first tensor:
  /// count".
  std::vector<std::pair<std::string, uint64_t>> overflows() const;

 private:
  class ConvertedStorage;
  std::map<std::tuple<const void*, StoredDType, StoredDType>, std::shared_ptr<const ConvertedStorage>> storages_;
  std::vector<std::pair<std::string, const ConvertedStorage*>> order_;
};

}  // namespace bevgrad
