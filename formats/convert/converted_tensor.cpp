#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>

#include "base/error.h"
#include "formats/convert/convert.h"

namespace bevgrad {

namespace {

constexpr size_t kPieceElements = 1 << 18;

template <class T>
void store(double value, std::byte* to) {
  const T stored = static_cast<T>(static_cast<compute_t<T>>(value));
  std::memcpy(to, &stored, sizeof stored);
}

void from_double(StoredDType dtype, double value, std::byte* to) {
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

/// Values of another tensor in another dtype, contiguous; reads that come in order are streamed.
class ConvertedStorage : public StoredStorage {
 public:
  ConvertedStorage(StoredTensor from, StoredDType dtype)
      : StoredStorage(from.storage->name(), static_cast<uint64_t>(from.numel()) * item_size(dtype)),
        from_(std::move(from)),
        dtype_(dtype) {}

 private:
  void read_checked(uint64_t offset, std::span<std::byte> out) const override {
    const std::scoped_lock lock(mutex_);
    const size_t step = item_size(dtype_);
    check(offset % step == 0 && out.size() % step == 0, "{}: a part of a value is read", name());
    uint64_t element = offset / step;
    if (!reader_ || element < position_) {
      reader_ = std::make_unique<ValueReader>(from_);
      position_ = 0;
    }
    while (position_ < element) take(std::min<uint64_t>(kPieceElements, element - position_));
    while (!out.empty()) {
      const size_t count = take(std::min<uint64_t>(kPieceElements, out.size() / step));
      for (size_t i = 0; i < count; ++i) {
        from_double(dtype_, to_double(from_.dtype, &piece_[i * item_size(from_.dtype)]), &out[i * step]);
      }
      out = out.subspan(count * step);
    }
    if (reader_->remaining() == 0) reader_.reset();
  }

  size_t take(uint64_t count) const {
    piece_.resize(count * item_size(from_.dtype));
    reader_->read(piece_);
    position_ += count;
    return count;
  }

  StoredTensor from_;
  StoredDType dtype_;
  mutable std::mutex mutex_;
  mutable std::unique_ptr<ValueReader> reader_;
  mutable uint64_t position_ = 0;
  mutable std::vector<std::byte> piece_;
};

bool is_complex(StoredDType dtype) {
  return dtype == StoredDType::Complex32 || dtype == StoredDType::Complex64 || dtype == StoredDType::Complex128;
}

}  // namespace

StoredTensor converted(const StoredTensor& tensor, StoredDType dtype) {
  if (tensor.dtype == dtype || !is_floating_point(tensor.dtype) || is_complex(tensor.dtype)) return tensor;
  check(tensor.dtype != StoredDType::Float4E2M1FNX2, "{}: {} cannot be converted", tensor.storage->name(),
        name(tensor.dtype));
  StoredTensor out = tensor;
  out.storage = std::make_shared<ConvertedStorage>(tensor, dtype);
  out.dtype = dtype;
  out.offset = 0;
  out.strides = dense_strides(tensor.sizes, MemoryFormat::Contiguous);
  return out;
}

}  // namespace bevgrad
