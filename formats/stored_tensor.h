// Tensors that still lie where they came from: a place in a file, or the memory of an engine tensor. A StoredTensor is
// a description (dtype, offset, sizes, strides) of a part of a storage; storages are shared as they were in the file,
// and their bytes are read only when asked for.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "formats/bytes.h"
#include "formats/stored_dtype.h"
#include "tensor/tensor.h"

namespace bevgrad {

/// The bytes of one storage, as little-endian values.
class StoredStorage {
 public:
  virtual ~StoredStorage() = default;

  /// How messages call it: "model.ckpt: archive/data/3".
  const std::string& name() const { return name_; }
  uint64_t bytes() const { return bytes_; }
  /// Fills `out` with the bytes at `offset`. Throws where they leave the storage, and where the last byte has been read
  /// in order and the storage's checksum, if the file has one, does not hold.
  void read(uint64_t offset, std::span<std::byte> out) const;
  /// Reads the storage once from end to end where that has not happened yet and its file has a checksum for it.
  virtual void verify() const {}

 protected:
  StoredStorage(std::string name, uint64_t bytes) : name_(std::move(name)), bytes_(bytes) {}
  virtual void read_checked(uint64_t offset, std::span<std::byte> out) const = 0;

 private:
  std::string name_;
  uint64_t bytes_;
};

/// Equal for two storages that are the same memory, whichever way they were described.
const void* identity(const StoredStorage& storage);

/// A plain range of a file, without a checksum.
std::shared_ptr<const StoredStorage> range_storage(std::string name, std::shared_ptr<const ByteSource> source,
                                                   uint64_t offset, uint64_t bytes);
/// The same storage with every unit of `unit` bytes reversed: big-endian files.
std::shared_ptr<const StoredStorage> swapped_storage(std::shared_ptr<const StoredStorage> storage, size_t unit);

/// The same storage with the signs of floating-point numbers of `unit` bytes turned over: every `step`-th from number
/// `first`. Conjugated views of complex numbers turn every second one from 1.
std::shared_ptr<const StoredStorage> negated_storage(std::shared_ptr<const StoredStorage> storage, size_t unit,
                                                     size_t first, size_t step);

struct StoredTensor {
  std::shared_ptr<const StoredStorage> storage = {};
  StoredDType dtype = StoredDType::Float32;
  int64_t offset = 0;  // of the first element in its storage, in elements
  Shape sizes = {};
  Shape strides = {};  // in elements, never negative
  bool requires_grad = false;
  bool is_parameter = false;

  int64_t numel() const;
  uint64_t nbytes() const { return static_cast<uint64_t>(numel()) * item_size(dtype); }
  bool is_contiguous() const { return is_dense(sizes, strides, MemoryFormat::Contiguous); }
  /// Contiguous, and its storage holds nothing else.
  bool covers_storage() const { return offset == 0 && is_contiguous() && nbytes() == storage->bytes(); }
};

/// Strides in elements of a contiguous tensor. Throws, naming `where`, for a negative size and for sizes whose product
/// overflows, zeros not counted.
Shape contiguous_strides(const Shape& sizes, const std::string& where);
/// Elements from the first to one past the last that the tensor touches, counted from `offset`; 0 where it is empty.
int64_t extent(const StoredTensor& tensor);
/// Throws, naming `where`, unless sizes and strides are non-negative, of equal rank (at most 64), without overflow, and
/// every element lies in the storage.
void validate(const StoredTensor& tensor, const std::string& where);

/// Values of a tensor in logical (row-major) order, forward, a piece at a time.
class ValueReader {
 public:
  explicit ValueReader(const StoredTensor& tensor);
  /// Bytes that have not been read yet.
  uint64_t remaining() const { return total_ - done_; }
  /// The next out.size() bytes, a whole number of elements.
  void read(std::span<std::byte> out);

 private:
  const StoredTensor tensor_;
  uint64_t total_;
  uint64_t done_ = 0;
  bool contiguous_;
  std::vector<std::byte> extent_;  // of a tensor that is not contiguous, where it is worth holding
};

/// Calls `piece` with the tensor's values in logical order, some MiB at a time.
void for_each_piece(const StoredTensor& tensor, const std::function<void(std::span<const std::byte>)>& piece);

/// Reads the values into a contiguous engine tensor on the CPU. Throws, naming `where`, for a dtype that the engine
/// lacks. Bytes of a bool tensor other than 0 become 1.
Tensor to_tensor(const StoredTensor& tensor, const std::string& where);
/// Describes an engine tensor (on the CPU) without copying: equal storages stay one storage. Strides are kept.
StoredTensor stored_tensor(const Tensor& tensor);
/// "float32 [2,3]"
std::string describe(const StoredTensor& tensor);

}  // namespace bevgrad
