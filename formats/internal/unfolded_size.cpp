#include "internal/unfolded_size.h"

#include "base/error.h"

namespace bevgrad {

namespace {

constexpr uint64_t kFactor = 64;
constexpr uint64_t kUnfoldedSlack = 256 << 20;

}  // namespace

void UnfoldedSize::add(const StoredTensor& tensor) {
  if (storages_.insert(identity(*tensor.storage)).second) held_ += tensor.storage->bytes();
  if (__builtin_add_overflow(unfolded_, tensor.nbytes(), &unfolded_)) unfolded_ = UINT64_MAX;
}

void UnfoldedSize::check_limit() const {
  check(unfolded_ / kFactor <= held_ + kUnfoldedSlack / kFactor,
        "{}: its tensors would unfold to {} bytes, of storages of {}: repeated without end", file_, unfolded_, held_);
}

}  // namespace bevgrad
