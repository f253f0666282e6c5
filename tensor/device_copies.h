// Copies from the host to a device that run beside what the device computes.
#pragma once
#include <memory>

#include "tensor/tensor.h"

namespace bevgrad {

/// Uninitialised, in host memory that a GPU copies from while the host goes on.
Tensor empty_pinned(const Shape& sizes, const TensorOptions& options = {});

/// Any thread may begin copies, and another use them.
class DeviceCopies {
 public:
  explicit DeviceCopies(Device device);
  ~DeviceCopies();
  DeviceCopies(const DeviceCopies&) = delete;
  DeviceCopies& operator=(const DeviceCopies&) = delete;

  /// Begins to copy a dense tensor of the host; to be used after wait(). `host` is kept until the copy is done and must
  /// not be written meanwhile. On the CPU it is the copy itself.
  Tensor add(const Tensor& host);
  /// What is queued on the device from here on comes after the copies; the host does not wait.
  void wait() const;
  Device device() const { return device_; }

 private:
  struct Impl;
  Device device_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bevgrad
