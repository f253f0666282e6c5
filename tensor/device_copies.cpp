#include "tensor/device_copies.h"

#include <vector>

#include "tensor/allocator.h"

#ifdef BEVGRAD_CUDA
#include "tensor/cuda_stream.h"
#include "tensor/device_counts.h"
#endif

namespace bevgrad {

Tensor empty_pinned(const Shape& sizes, const TensorOptions& options) {
  TensorOptions pinned = options;
  pinned.pinned = true;
  return empty(sizes, pinned);
}

#ifdef BEVGRAD_CUDA

struct DeviceCopies::Impl {
  explicit Impl(int index) : device(index), allocated(index), copied(index) {}

  int device;
  cuda::Event allocated, copied;
  std::vector<Tensor> hosts;
  std::vector<Tensor> copies;  // until they are ordered with the compute stream, to which they give their memory back
};

DeviceCopies::DeviceCopies(Device device) : device_(device) {
  if (!device.is_cpu()) impl_ = std::make_unique<Impl>(device.index);
}

DeviceCopies::~DeviceCopies() {
  if (!impl_ || impl_->hosts.empty()) return;
  try {
    wait();
    impl_->copied.synchronize();
  } catch (const Error&) {
    // A destructor has nobody to tell; a device that has failed fails the next call too.
  }
}

Tensor DeviceCopies::add(const Tensor& host) {
  if (!impl_ || !host.defined()) return host;
  check(host.device().is_cpu() && (host.is_contiguous() || host.is_contiguous(MemoryFormat::ChannelsLast)),
        "DeviceCopies: {} is not a dense tensor of the host", describe(host));
  const cuda::DeviceGuard guard(impl_->device);
  const MemoryFormat format = host.is_contiguous() ? MemoryFormat::Contiguous : MemoryFormat::ChannelsLast;
  const Tensor copy = empty(host.sizes(), {host.dtype(), format, device_});
  if (host.numel() == 0) return copy;
  // The memory is this tensor's once what the compute stream did with it before is done.
  impl_->allocated.record(cuda::compute_stream(impl_->device));
  const cudaStream_t stream = cuda::copy_stream(impl_->device);
  impl_->allocated.wait(stream);
  cuda::count(DeviceWork::CopyToDevice);
  cuda::count(DeviceWork::BytesToDevice, static_cast<int64_t>(host.nbytes()));
  cuda::check(cudaMemcpyAsync(copy.raw_data(), host.raw_data(), host.nbytes(), cudaMemcpyHostToDevice, stream),
              "cudaMemcpyAsync");
  impl_->copied.record(stream);
  impl_->hosts.push_back(host);
  impl_->copies.push_back(copy);
  return copy;
}

void DeviceCopies::wait() const {
  if (!impl_ || impl_->copies.empty()) return;
  impl_->copied.wait(cuda::compute_stream(impl_->device));
  impl_->copies.clear();
}

#else

struct DeviceCopies::Impl {};

DeviceCopies::DeviceCopies(Device device) : device_(device) {
  check(device.is_cpu(), "DeviceCopies: {}", cuda_problem());
}
DeviceCopies::~DeviceCopies() = default;

Tensor DeviceCopies::add(const Tensor& host) {
  return host;
}

void DeviceCopies::wait() const {}

#endif

}  // namespace bevgrad
