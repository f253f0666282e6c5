// The large tensors of a batch on a device, on their way there since the batch was made.
#pragma once
#include <memory>
#include <vector>

#include "tensor/device_copies.h"

namespace bevgrad {

struct Batch;

class BatchCopies {
 public:
  BatchCopies(const Batch& batch, Device device);
  /// Labels that lie on a device already.
  BatchCopies(Tensor lane, Tensor road);

  // What is queued on the device after one of these calls comes after the copies.
  const std::vector<Tensor>& images() const;
  const Tensor& lane() const;
  const Tensor& road() const;
  void drop_images() { images_.clear(); }

 private:
  DeviceCopies copies_;
  std::vector<Tensor> images_;
  Tensor lane_, road_;
};

}  // namespace bevgrad
