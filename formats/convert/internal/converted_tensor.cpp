#include "convert/internal/converted_tensor.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>

#include "base/error.h"

namespace bevgrad {

namespace {

constexpr uint64_t kConvertedPieceElements = 1 << 18;

template <class T>
double store(double value, std::byte* to) {
  const T stored = static_cast<T>(static_cast<compute_t<T>>(value));
  std::memcpy(to, &stored, sizeof stored);
  return static_cast<double>(static_cast<compute_t<T>>(stored));
}

bool is_complex(StoredDType dtype) {
  return dtype == StoredDType::Complex32 || dtype == StoredDType::Complex64 || dtype == StoredDType::Complex128;
}

}  // namespace

double from_double(StoredDType dtype, double value, std::byte* to) {
  switch (dtype) {
    case StoredDType::Float64:
      return store<double>(value, to);
    case StoredDType::Float32:
      return store<float>(value, to);
    case StoredDType::Float16:
      return store<Float16>(value, to);
    case StoredDType::BFloat16:
      return store<BFloat16>(value, to);
    default:
      fail("conversion to {} is not known", name(dtype));
  }
}

/// A whole storage in another dtype: element by element, so that offsets and strides of its tensors stay right.
class TensorConverter::ConvertedStorage : public StoredStorage {
 public:
  ConvertedStorage(std::shared_ptr<const StoredStorage> from, StoredDType from_dtype, StoredDType dtype)
      : StoredStorage(from->name(), from->bytes() / item_size(from_dtype) * item_size(dtype)),
        from_(std::move(from)),
        from_dtype_(from_dtype),
        dtype_(dtype) {}
  void verify() const override { from_->verify(); }

  uint64_t overflowed() const { return overflowed_; }

 private:
  void read_checked(uint64_t offset, std::span<std::byte> out) const override {
    const std::scoped_lock lock(mutex_);
    const size_t step = item_size(dtype_);
    const size_t from_step = item_size(from_dtype_);
    check(offset % step == 0 && out.size() % step == 0, "{}: a part of a value is read", name());
    uint64_t element = offset / step;
    while (!out.empty()) {
      const auto count = static_cast<size_t>(std::min<uint64_t>(kConvertedPieceElements, out.size() / step));
      piece_.resize(count * from_step);
      from_->read(element * from_step, piece_);
      for (size_t i = 0; i < count; ++i) {
        const double value = to_double(from_dtype_, &piece_[i * from_step]);
        const double stored = from_double(dtype_, value, &out[i * step]);
        if (std::isinf(stored) && !std::isinf(value) && element + i >= counted_) ++overflowed_;
      }
      element += count;
      counted_ = std::max(counted_, element);
      out = out.subspan(count * step);
    }
  }

  std::shared_ptr<const StoredStorage> from_;
  StoredDType from_dtype_;
  StoredDType dtype_;
  mutable std::mutex mutex_;
  mutable std::vector<std::byte> piece_;
  mutable uint64_t counted_ = 0;  // elements up to here have been looked at
  mutable uint64_t overflowed_ = 0;
};

TensorConverter::TensorConverter() = default;
TensorConverter::~TensorConverter() = default;

StoredTensor TensorConverter::convert(const StoredTensor& tensor, StoredDType dtype, const std::string& label) {
  if (tensor.dtype == dtype || !is_floating_point(tensor.dtype) || is_complex(tensor.dtype)) return tensor;
  check(tensor.dtype != StoredDType::Float4E2M1FNX2, "{}: {} cannot be converted", tensor.storage->name(),
        name(tensor.dtype));
  auto& storage = storages_[{identity(*tensor.storage), tensor.dtype, dtype}];
  if (!storage) {
    storage = std::make_shared<ConvertedStorage>(tensor.storage, tensor.dtype, dtype);
    order_.emplace_back(label, storage.get());
  }
  StoredTensor out = tensor;
  out.storage = storage;
  out.dtype = dtype;
  return out;
}

std::vector<std::pair<std::string, uint64_t>> TensorConverter::overflows() const {
  std::vector<std::pair<std::string, uint64_t>> out;
  for (const auto& [label, storage] : order_) {
    if (storage->overflowed() > 0) out.emplace_back(label, storage->overflowed());
  }
  return out;
}

}  // namespace bevgrad
