// The tensor: a value handle on sizes, strides, dtype and shared storage. This room knows nothing of gradients but a
// slot that autograd/ fills. Arithmetic on plain tensors is in tensor/ops.h (namespace bevgrad::ops, never recorded);
// the differentiable functions of the same names are in autograd/ (namespace bevgrad).
#pragma once
#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "base/error.h"
#include "tensor/device.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace bevgrad {

namespace tape {
struct Slot;
}

/// Memory shared by a tensor and its views. `version` counts in-place writes, so that autograd notices when a tensor
/// that it saved or recorded was overwritten.
struct Storage {
  std::shared_ptr<void> block;
  size_t bytes = 0;
  Device device;
  bool pinned = false;  // host memory from allocate_pinned()
  std::atomic<uint64_t> version = 0;
};

struct TensorOptions {
  DType dtype = DType::Float32;
  MemoryFormat format = MemoryFormat::Contiguous;
  Device device = {};
  /// Of a host tensor: in memory that a CUDA device copies from without stopping the host (allocate_pinned()).
  bool pinned = false;
};

class Tensor {
 public:
  /// An undefined tensor: no storage, no shape. `defined()` is false.
  Tensor() = default;
  Tensor(std::shared_ptr<Storage> storage, int64_t offset, Shape sizes, Shape strides, DType dtype);

  bool defined() const { return impl_ != nullptr; }
  const Shape& sizes() const { return impl().sizes; }
  /// Strides in elements.
  const Shape& strides() const { return impl().strides; }
  int dim() const { return static_cast<int>(impl().sizes.size()); }
  /// Size of one dimension; negative counts from the end.
  int64_t size(int dimension) const;
  int64_t stride(int dimension) const;
  int64_t numel() const { return impl().numel; }
  size_t nbytes() const { return static_cast<size_t>(numel()) * item_size(dtype()); }
  DType dtype() const { return impl().dtype; }
  Device device() const { return impl().storage->device; }
  /// Offset of the first element in its storage, in elements.
  int64_t offset() const { return impl().offset; }
  const std::shared_ptr<Storage>& storage() const { return impl().storage; }

  bool is_contiguous(MemoryFormat format = MemoryFormat::Contiguous) const {
    return is_dense(sizes(), strides(), format);
  }
  /// ChannelsLast where a 4-D tensor is dense in that format and not also contiguous, or is a view whose channels lie
  /// closest together; else Contiguous.
  MemoryFormat suggested_format() const;

  /// Pointer to the first element: data<const float>() to read, data<float>() to write, which counts as a write in
  /// place (note_write()) once, when the pointer is taken. T must be the tensor's dtype (throws otherwise). On CUDA it
  /// is a device pointer: for functors that are launched there, never for the host.
  template <class T>
  T* data() const {
    using Value = std::remove_const_t<T>;
    check(dtype_of<Value>() == dtype(), "data<{}>: the tensor holds {}", name(dtype_of<Value>()), name(dtype()));
    if constexpr (std::is_const_v<T>) {
      return static_cast<T*>(const_raw_data());
    } else {
      return static_cast<T*>(raw_data());
    }
  }
  /// The same without a type.
  void* raw_data() const;
  const void* const_raw_data() const;
  /// Counts a write: a backward pass that needs what was there throws. Engine code (operations, backward rules) writes
  /// what it has just made, or counts for itself: there data<T>() leaves the count alone.
  void note_write() const;
  /// The value of a tensor of one element, converted to double. On CUDA it waits for it.
  double item() const;
  /// All elements in logical (row-major) order, converted to double: for tests, logs and small tensors. On CUDA it
  /// waits for them.
  std::vector<double> to_vector() const;

  /// The opaque place where autograd/ keeps what it knows of this tensor. Views and copies made by tensor/ start
  /// with an empty one; copies of the handle share it.
  std::shared_ptr<tape::Slot>& autograd_slot() const { return impl().autograd; }
  /// Makes this tensor, in all its handles, one over the memory of `other`, with its sizes and dtype: what a parameter
  /// is replaced by (Module::move_to). Views of it keep the old memory; autograd's slot stays.
  void set_data(const Tensor& other) const;
  /// True where both handles are the same tensor (not merely equal values).
  bool is_same(const Tensor& other) const { return impl_ == other.impl_; }
  /// True where no other handle and no view shares this tensor's memory.
  bool is_unique() const { return impl_.use_count() == 1 && impl_->storage.use_count() == 1; }

 private:
  struct Impl {
    std::shared_ptr<Storage> storage;
    int64_t offset = 0;
    Shape sizes;
    Shape strides;
    DType dtype = DType::Float32;
    int64_t numel = 0;
    std::shared_ptr<tape::Slot> autograd;
  };
  Impl& impl() const;

  std::shared_ptr<Impl> impl_;
};

/// "float32 [2,3] on cpu": for messages.
std::string describe(const Tensor& tensor);
/// The values in aligned rows with at most so many entries shown of each long dimension, then what describe() says.
std::string to_string(const Tensor& tensor, int64_t most_entries = 6);
std::ostream& operator<<(std::ostream& out, const Tensor& tensor);

// Creation. Values are uninitialised for `empty`.
Tensor empty(const Shape& sizes, const TensorOptions& options = {});
/// Uninitialised, with the sizes, dtype, device and memory format of `like`.
Tensor empty_like(const Tensor& like);
Tensor zeros(const Shape& sizes, const TensorOptions& options = {});
Tensor zeros_like(const Tensor& like);
Tensor ones(const Shape& sizes, const TensorOptions& options = {});
Tensor full(const Shape& sizes, double value, const TensorOptions& options = {});
Tensor ones_like(const Tensor& like);
Tensor full_like(const Tensor& like, double value);
/// start, start + step, ... below `end` (above it for a negative step). float32 unless the options say Int64, say.
Tensor arange(double end, const TensorOptions& options = {});
Tensor arange(double start, double end, double step = 1, const TensorOptions& options = {});
/// `count` values from `start` to `end`, both included, evenly apart.
Tensor linspace(double start, double end, int64_t count, const TensorOptions& options = {});
/// [rows, columns] (square without columns) with 1 on the diagonal.
Tensor eye(int64_t rows, int64_t columns = -1, const TensorOptions& options = {});
/// labels int64 [..] from 0 to classes - 1 -> int64 [.., classes] with 1 where the label says. Without `classes` the
/// largest label decides.
Tensor one_hot(const Tensor& labels, int64_t classes = -1);
/// From values in logical (row-major) order; converted to options.dtype.
Tensor from_values(std::span<const double> values, const Shape& sizes, const TensorOptions& options = {});
Tensor from_values(std::initializer_list<double> values, const Shape& sizes, const TensorOptions& options = {});
/// A scalar tensor (zero-dimensional).
Tensor scalar(double value, const TensorOptions& options = {});

}  // namespace bevgrad
