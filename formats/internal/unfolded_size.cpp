#include "internal/unfolded_size.h"

#include "base/error.h"
#include "internal/limits.h"

namespace bevgrad {

namespace {}  // namespace

void UnfoldedSize::add(const StoredTensor& tensor) {
  if (storages_.insert(identity(*tensor.storage)).second) held_ += tensor.storage->bytes();
  if (__builtin_add_overflow(unfolded_, tensor.nbytes(), &unfolded_)) unfolded_ = UINT64_MAX;
}

void UnfoldedSize::check_limit() const {
  check(unfolded_ / kInflationFactor <= held_ + kInflationSlack / kInflationFactor,
        "{}: its tensors would unfold to {} bytes, of storages of {}: repeated without end", file_, unfolded_, held_);
}

}  // namespace bevgrad
