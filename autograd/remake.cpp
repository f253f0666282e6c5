#include "internal/remake.h"

#include "internal/node.h"

namespace bevgrad::tape {

Tensor Remake::get() {
  if (auto alive = memory.lock(); alive && alive->version == version)
    return Tensor(std::move(alive), offset, sizes, strides, dtype);
  Tensor made = make();
  memory = made.storage();
  offset = made.offset();
  strides = made.strides();
  version = made.storage()->version;
  return made;
}

void set_remake(const Tensor& result, std::function<Tensor()> make) {
  const auto meta = meta_of(result);
  if (!meta || !meta->node || result.nbytes() < kRemadeBytes) return;
  meta->remake = std::make_shared<Remake>(Remake{std::move(make), result.storage(), result.offset(), result.sizes(),
                                                 result.strides(), result.dtype(), result.storage()->version});
}

KeptInput::KeptInput(const Tensor& tensor) {
  const auto meta = meta_of(tensor);
  // What was written over a result is another value.
  if (meta && meta->remake && meta->remake->version == tensor.storage()->version &&
      meta->remake->memory.lock() == tensor.storage()) {
    remake_ = meta->remake;
  } else {
    saved_ = Saved(tensor);
  }
}

Tensor KeptInput::get() const {
  return remake_ ? remake_->get() : saved_.get();
}

}  // namespace bevgrad::tape
