// Room `loading`: samples of any kind, and batches of them in an order that a seed gives. Not here: what a sample
// means; the records of drives and their samplers (data/).
#pragma once
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace bevgrad::loading {

/// A sample: its fields in an order that the dataset says (picture, label).
using Sample = std::vector<Tensor>;

class Dataset {
 public:
  Dataset() = default;
  virtual ~Dataset() = default;
  Dataset(const Dataset&) = delete;
  Dataset& operator=(const Dataset&) = delete;

  virtual int64_t size() const = 0;
  /// Sample `index`, from 0 to size() - 1. Several threads call it at once.
  virtual Sample get(int64_t index) const = 0;
};

/// Sample i is entry i of each tensor: what was read into memory whole.
class TensorDataset : public Dataset {
 public:
  /// At least one tensor, all with as many entries.
  explicit TensorDataset(std::vector<Tensor> fields);
  int64_t size() const override { return fields_[0].size(0); }
  Sample get(int64_t index) const override;

 private:
  std::vector<Tensor> fields_;
};

/// A file in MNIST's IDX format, of any rank and any of its types: two zero bytes, the type (0x08 uint8, 0x09 int8,
/// 0x0B int16, 0x0C int32, 0x0D float32, 0x0E float64), the rank, the sizes as big-endian 32-bit numbers, the elements,
/// big-endian (http://yann.lecun.com/exdb/mnist). Throws Error naming the file.
Tensor read_idx(const std::string& path);

}  // namespace bevgrad::loading
