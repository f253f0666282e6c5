#include "formats/stored_tensor.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "internal/limits.h"
#include "internal/overlapped_pieces.h"

namespace bevgrad {

namespace {

constexpr size_t kPieceBytes = 4 << 20;

class RangeStorage : public StoredStorage {
 public:
  RangeStorage(std::string name, std::shared_ptr<const ByteSource> source, uint64_t offset, uint64_t bytes)
      : StoredStorage(std::move(name), bytes), source_(std::move(source)), offset_(offset) {}

 private:
  void read_checked(uint64_t offset, std::span<std::byte> out) const override { source_->read(offset_ + offset, out); }

  std::shared_ptr<const ByteSource> source_;
  uint64_t offset_;
};

class SwappedStorage : public StoredStorage {
 public:
  SwappedStorage(std::shared_ptr<const StoredStorage> storage, size_t unit)
      : StoredStorage(storage->name(), storage->bytes()), storage_(std::move(storage)), unit_(unit) {}
  void verify() const override { storage_->verify(); }

 private:
  void read_checked(uint64_t offset, std::span<std::byte> out) const override {
    check(offset % unit_ == 0 && out.size() % unit_ == 0, "{}: a part of a value is read", name());
    storage_->read(offset, out);
    for (size_t i = 0; i < out.size(); i += unit_) std::reverse(&out[i], &out[i] + unit_);
  }

  std::shared_ptr<const StoredStorage> storage_;
  size_t unit_;
};

/// Values with the signs of some units turned over: every `step`-th from `first`.
class NegatedStorage : public StoredStorage {
 public:
  NegatedStorage(std::shared_ptr<const StoredStorage> storage, size_t unit, size_t first, size_t step)
      : StoredStorage(storage->name(), storage->bytes()),
        storage_(std::move(storage)),
        unit_(unit),
        first_(first),
        step_(step) {}
  void verify() const override { storage_->verify(); }

 private:
  void read_checked(uint64_t offset, std::span<std::byte> out) const override {
    storage_->read(offset, out);
    // The sign is the highest bit of a unit's last byte.
    const uint64_t period = unit_ * step_;
    const uint64_t sign = unit_ * first_ + unit_ - 1;
    for (uint64_t i = (sign + period - offset % period) % period; i < out.size(); i += period)
      out[i] ^= std::byte{0x80};
  }

  std::shared_ptr<const StoredStorage> storage_;
  size_t unit_;
  size_t first_;
  size_t step_;
};

class EngineStorage : public StoredStorage {
 public:
  explicit EngineStorage(std::shared_ptr<Storage> storage)
      : StoredStorage("memory", storage->bytes), storage_(std::move(storage)) {}
  const Storage* identity() const { return storage_.get(); }

 private:
  void read_checked(uint64_t offset, std::span<std::byte> out) const override {
    std::memcpy(out.data(), static_cast<const std::byte*>(storage_->block.get()) + offset, out.size());
  }

  std::shared_ptr<Storage> storage_;
};

/// Copies the values of a strided tensor whose first element is at `from`, [first, first + count) in logical order.
void gather(const StoredTensor& tensor, const std::byte* from, int64_t first, int64_t count, std::byte* to) {
  const size_t step = item_size(tensor.dtype);
  const int rank = static_cast<int>(tensor.sizes.size());
  Shape index(tensor.sizes.size(), 0);
  int64_t at = 0;
  for (int d = rank - 1; d >= 0; --d) {
    index[d] = first % tensor.sizes[d];
    first /= tensor.sizes[d];
    at += index[d] * tensor.strides[d];
  }
  for (int64_t i = 0; i < count; ++i) {
    std::memcpy(to, from + static_cast<size_t>(at) * step, step);
    to += step;
    for (int d = rank - 1; d >= 0; --d) {
      at += tensor.strides[d];
      if (++index[d] < tensor.sizes[d]) break;
      at -= index[d] * tensor.strides[d];
      index[d] = 0;
    }
  }
}

}  // namespace

void StoredStorage::read(uint64_t offset, std::span<std::byte> out) const {
  check(offset <= bytes_ && out.size() <= bytes_ - offset, "{}: {} bytes at {} leave a storage of {}", name_,
        out.size(), offset, bytes_);
  if (!out.empty()) read_checked(offset, out);
}

std::shared_ptr<const StoredStorage> range_storage(std::string name, std::shared_ptr<const ByteSource> source,
                                                   uint64_t offset, uint64_t bytes) {
  check(offset <= source->size() && bytes <= source->size() - offset, "{}: {} bytes at byte {} leave the file of {}",
        name, bytes, offset, source->size());
  return std::make_shared<RangeStorage>(std::move(name), std::move(source), offset, bytes);
}

std::shared_ptr<const StoredStorage> swapped_storage(std::shared_ptr<const StoredStorage> storage, size_t unit) {
  if (unit <= 1) return storage;
  return std::make_shared<SwappedStorage>(std::move(storage), unit);
}

std::shared_ptr<const StoredStorage> negated_storage(std::shared_ptr<const StoredStorage> storage, size_t unit,
                                                     size_t first, size_t step) {
  return std::make_shared<NegatedStorage>(std::move(storage), unit, first, step);
}

int64_t StoredTensor::numel() const {
  return bevgrad::numel(sizes);
}

int64_t extent(const StoredTensor& tensor) {
  int64_t last = 0;
  for (size_t d = 0; d < tensor.sizes.size(); ++d) {
    if (tensor.sizes[d] == 0) return 0;
    last += (tensor.sizes[d] - 1) * tensor.strides[d];
  }
  return last + 1;
}

Shape contiguous_strides(const Shape& sizes, const std::string& where) {
  check(sizes.size() <= kMaximumRank, "{}: {} dimensions, at most {} are known", where, sizes.size(), kMaximumRank);
  Shape strides(sizes.size());
  int64_t step = 1;
  for (size_t d = sizes.size(); d-- > 0;) {
    check(sizes[d] >= 0, "{}: negative size in {}", where, to_string(sizes));
    strides[d] = step;
    check(!__builtin_mul_overflow(step, std::max<int64_t>(sizes[d], 1), &step), "{}: sizes {} overflow", where,
          to_string(sizes));
  }
  return strides;
}

void validate(const StoredTensor& tensor, const std::string& where) {
  const auto& [storage, dtype, offset, sizes, strides, requires_grad, is_parameter] = tensor;
  check(storage != nullptr, "{}: no storage", where);
  check(sizes.size() == strides.size(), "{}: {} sizes, but {} strides", where, sizes.size(), strides.size());
  check(sizes.size() <= kMaximumRank, "{}: {} dimensions, at most {} are known", where, sizes.size(), kMaximumRank);
  check(offset >= 0, "{}: negative offset {}", where, offset);
  bool overflow = false;
  bool empty = false;
  int64_t count = 1;
  int64_t last = offset;
  for (size_t d = 0; d < sizes.size(); ++d) {
    check(sizes[d] >= 0, "{}: negative size in {}", where, to_string(sizes));
    check(strides[d] >= 0, "{}: negative stride in {}", where, to_string(strides));
    int64_t step = 0;
    empty |= sizes[d] == 0;
    overflow |= __builtin_mul_overflow(count, std::max<int64_t>(sizes[d], 1), &count);
    overflow |= __builtin_mul_overflow(std::max<int64_t>(sizes[d] - 1, 0), strides[d], &step);
    overflow |= __builtin_add_overflow(last, step, &last);
  }
  uint64_t bytes = 0;
  overflow |= __builtin_mul_overflow(static_cast<uint64_t>(count), item_size(dtype), &bytes);
  check(!overflow && bytes <= INT64_MAX, "{}: sizes {} with strides {} at offset {} overflow", where, to_string(sizes),
        to_string(strides), offset);
  const uint64_t held = storage->bytes() / item_size(dtype);
  const uint64_t needed = static_cast<uint64_t>(last) + (empty ? 0 : 1);
  check(empty || needed <= held, "{}: {} of {} with strides {} at offset {} reaches element {}, but its storage has {}",
        where, name(dtype), to_string(sizes), to_string(strides), offset, needed, held);
}

ValueReader::ValueReader(const StoredTensor& tensor)
    : tensor_(tensor), total_(tensor.nbytes()), contiguous_(tensor.is_contiguous()) {
  if (total_ == 0) return;
  const bool whole = contiguous_ && tensor_.offset == 0 && total_ == tensor_.storage->bytes();
  if (!whole) tensor_.storage->verify();
  if (!contiguous_) {
    const size_t step = item_size(tensor_.dtype);
    const uint64_t span = static_cast<uint64_t>(extent(tensor_)) * step;
    // A view that picks little out of a large storage is read element by element instead of being held.
    if (span <= std::max<uint64_t>(4 * total_, 64 << 20)) {
      extent_.resize(span);
      tensor_.storage->read(static_cast<uint64_t>(tensor_.offset) * step, extent_);
    }
  }
}

void ValueReader::read(std::span<std::byte> out) {
  const size_t step = item_size(tensor_.dtype);
  check(out.size() <= remaining() && out.size() % step == 0, "{}: {} bytes are read where {} are left",
        tensor_.storage->name(), out.size(), remaining());
  const uint64_t begin = static_cast<uint64_t>(tensor_.offset) * step;
  if (contiguous_) {
    tensor_.storage->read(begin + done_, out);
  } else {
    const auto first = static_cast<int64_t>(done_ / step);
    const auto count = static_cast<int64_t>(out.size() / step);
    if (!extent_.empty()) {
      gather(tensor_, extent_.data(), first, count, out.data());
    } else {
      for (int64_t i = 0; i < count; ++i) {
        int64_t at = 0;
        int64_t rest = first + i;
        for (size_t d = tensor_.sizes.size(); d > 0; --d) {
          at += rest % tensor_.sizes[d - 1] * tensor_.strides[d - 1];
          rest /= tensor_.sizes[d - 1];
        }
        tensor_.storage->read(begin + static_cast<uint64_t>(at) * step,
                              out.subspan(static_cast<size_t>(i) * step, step));
      }
    }
  }
  done_ += out.size();
}

void for_each_piece(const StoredTensor& tensor, const std::function<void(std::span<const std::byte>)>& piece) {
  ValueReader reader(tensor);
  overlapped_pieces(
      reader.remaining(), kPieceBytes, [&](std::span<std::byte> part) { reader.read(part); }, piece);
}

Tensor to_tensor(const StoredTensor& tensor, const std::string& where) {
  const auto dtype = engine_dtype(tensor.dtype);
  check(dtype.has_value(), "{}: dtype {} can be converted, but not computed with", where, name(tensor.dtype));
  Tensor out = empty(tensor.sizes, {.dtype = *dtype});
  ValueReader reader(tensor);
  const std::span<std::byte> bytes(static_cast<std::byte*>(out.raw_data()), tensor.nbytes());
  if (!bytes.empty()) reader.read(bytes);
  if (*dtype == DType::Bool) {
    for (std::byte& byte : bytes) byte = byte == std::byte{0} ? std::byte{0} : std::byte{1};
  }
  return out;
}

StoredTensor stored_tensor(const Tensor& tensor) {
  check(tensor.defined(), "stored_tensor: the tensor is undefined");
  check(tensor.device().is_cpu(), "stored_tensor: a tensor on the CPU is expected, this one is {}", describe(tensor));
  return {.storage = std::make_shared<EngineStorage>(tensor.storage()),
          .dtype = stored_dtype(tensor.dtype()),
          .offset = tensor.offset(),
          .sizes = tensor.sizes(),
          .strides = tensor.strides()};
}

const void* identity(const StoredStorage& storage) {
  const auto* engine = dynamic_cast<const EngineStorage*>(&storage);
  return engine != nullptr ? static_cast<const void*>(engine->identity()) : &storage;
}

std::string describe(const StoredTensor& tensor) {
  return fmt::format("{} {}", name(tensor.dtype), to_string(tensor.sizes));
}

}  // namespace bevgrad
