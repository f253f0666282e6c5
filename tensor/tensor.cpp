#include "tensor/tensor.h"

#include <algorithm>
#include <cstring>

#include "tensor/allocator.h"
#include "tensor/ops.h"
#include "tensor/tape.h"

#ifdef BEVGRAD_CUDA
#include "cuda/memory.h"
#endif

namespace bevgrad {
namespace {

// Visits the elements in logical order with their offset from the first one.
template <class F>
void for_each_offset(const Shape& sizes, const Shape& strides, F&& visit) {
  const int64_t count = numel(sizes);
  Shape index(sizes.size(), 0);
  int64_t offset = 0;
  for (int64_t i = 0; i < count; ++i) {
    visit(i, offset);
    for (size_t d = sizes.size(); d-- > 0;) {
      offset += strides[d];
      if (++index[d] < sizes[d]) break;
      offset -= strides[d] * sizes[d];
      index[d] = 0;
    }
  }
}

}  // namespace

Tensor::Tensor(std::shared_ptr<Storage> storage, int64_t offset, Shape sizes, Shape strides, DType dtype)
    : impl_(std::make_shared<Impl>()) {
  impl_->storage = std::move(storage);
  impl_->offset = offset;
  impl_->numel = bevgrad::numel(sizes);
  impl_->sizes = std::move(sizes);
  impl_->strides = std::move(strides);
  impl_->dtype = dtype;
}

Tensor::Impl& Tensor::impl() const {
  check(impl_ != nullptr, "the tensor is undefined");
  return *impl_;
}

int64_t Tensor::size(int dimension) const {
  return sizes()[wrap_dimension("size", dimension, dim())];
}
int64_t Tensor::stride(int dimension) const {
  return strides()[wrap_dimension("stride", dimension, dim())];
}

MemoryFormat Tensor::suggested_format() const {
  if (dim() != 4 || is_contiguous()) return MemoryFormat::Contiguous;
  if (is_contiguous(MemoryFormat::ChannelsLast)) return MemoryFormat::ChannelsLast;
  const Shape& n = sizes();
  const Shape& s = strides();
  const bool channels_first = n[1] == 1 || (n[3] > 1 && s[3] <= s[1]) || (n[2] > 1 && s[2] <= s[1]);
  return channels_first ? MemoryFormat::Contiguous : MemoryFormat::ChannelsLast;
}

const void* Tensor::const_raw_data() const {
  const Impl& self = impl();
  const char* base = static_cast<const char*>(self.storage->block.get());
  return base ? base + self.offset * static_cast<int64_t>(item_size(self.dtype)) : nullptr;
}

void* Tensor::raw_data() const {
  if (tape::state().depth == 0) note_write();
  return const_cast<void*>(const_raw_data());  // the memory itself is never const
}

void Tensor::set_data(const Tensor& other) const {
  Impl& self = impl();
  const Impl& from = other.impl();
  if (self.autograd && self.autograd->op)
    fail("set_data: {} is the result of {}, of whose gradient its new values know nothing", describe(*this),
         self.autograd->op);
  // A write to this tensor, for whoever kept what was made of it by the count alone.
  from.storage->version = std::max<uint64_t>(from.storage->version, self.storage->version) + 1;
  self.storage = from.storage;
  self.offset = from.offset;
  self.sizes = from.sizes;
  self.strides = from.strides;
  self.dtype = from.dtype;
  self.numel = from.numel;
}

void Tensor::note_write() const {
  impl().storage->version.fetch_add(1, std::memory_order_relaxed);
}

double Tensor::item() const {
  check(numel() == 1, "item: expected one element, got {}", describe(*this));
  return to_vector().front();
}

std::vector<double> Tensor::to_vector() const {
  if (!device().is_cpu())
    return ops::to(Tensor(storage(), offset(), sizes(), strides(), dtype()), Device{}).to_vector();
  std::vector<double> values(static_cast<size_t>(numel()));
  dispatch_all(dtype(), [&]<class T>() {
    const T* source = data<const T>();
    for_each_offset(sizes(), strides(),
                    [&](int64_t i, int64_t offset) { values[i] = static_cast<double>(compute_t<T>(source[offset])); });
  });
  return values;
}

std::string describe(const Tensor& tensor) {
  if (!tensor.defined()) return "an undefined tensor";
  return fmt::format("{} {} on {}", name(tensor.dtype()), to_string(tensor.sizes()), to_string(tensor.device()));
}

Tensor empty(const Shape& sizes, const TensorOptions& options) {
  int64_t bytes = 0;
  if (__builtin_mul_overflow(numel(sizes), static_cast<int64_t>(item_size(options.dtype)), &bytes))
    fail("empty: {} is too large", to_string(sizes));
  if (options.pinned && !options.device.is_cpu())
    fail("empty: only host memory is pinned, not {}", to_string(options.device));
  auto storage = std::make_shared<Storage>();
  storage->block = options.pinned ? allocate_pinned(static_cast<size_t>(bytes))
                                  : allocate(static_cast<size_t>(bytes), options.device);
  storage->pinned = options.pinned;
  storage->bytes = static_cast<size_t>(bytes);
  storage->device = options.device;
  return Tensor(std::move(storage), 0, sizes, dense_strides(sizes, options.format), options.dtype);
}

Tensor empty_like(const Tensor& like) {
  return empty(like.sizes(), {like.dtype(), like.suggested_format(), like.device()});
}

Tensor zeros(const Shape& sizes, const TensorOptions& options) {
  Tensor result = empty(sizes, options);
  if (result.numel() == 0) return result;
#ifdef BEVGRAD_CUDA
  if (!options.device.is_cpu()) {
    cuda::set_zero(result.raw_data(), result.nbytes(), options.device.index);
    return result;
  }
#endif
  std::memset(result.raw_data(), 0, result.nbytes());
  return result;
}

Tensor zeros_like(const Tensor& like) {
  return zeros(like.sizes(), {like.dtype(), like.suggested_format(), like.device()});
}

Tensor ones(const Shape& sizes, const TensorOptions& options) {
  return full(sizes, 1.0, options);
}

Tensor full(const Shape& sizes, double value, const TensorOptions& options) {
  Tensor result = empty(sizes, options);
  if (!options.device.is_cpu()) {
    ops::fill_(result, value);
    return result;
  }
  dispatch_all(options.dtype, [&]<class T>() {
    T* out = result.data<T>();
    const T filled = static_cast<T>(static_cast<compute_t<T>>(value));
    for (int64_t i = 0; i < result.numel(); ++i) out[i] = filled;
  });
  return result;
}

Tensor from_values(std::span<const double> values, const Shape& sizes, const TensorOptions& options) {
  if (!options.device.is_cpu())
    return ops::to(from_values(values, sizes, {options.dtype, options.format}), options.device);
  Tensor result = empty(sizes, options);
  check(static_cast<int64_t>(values.size()) == result.numel(), "from_values: {} values do not fill {}", values.size(),
        to_string(sizes));
  dispatch_all(options.dtype, [&]<class T>() {
    T* out = result.data<T>();
    for_each_offset(sizes, result.strides(), [&](int64_t i, int64_t offset) {
      out[offset] = static_cast<T>(static_cast<compute_t<T>>(values[i]));
    });
  });
  return result;
}

Tensor from_values(std::initializer_list<double> values, const Shape& sizes, const TensorOptions& options) {
  return from_values(std::span<const double>(values.begin(), values.size()), sizes, options);
}

Tensor scalar(double value, const TensorOptions& options) {
  return full({}, value, options);
}

}  // namespace bevgrad
