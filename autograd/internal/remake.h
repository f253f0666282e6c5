// Large results of cheap operations, which the tape computes again instead of keeping them. Private to autograd/.
#pragma once
#include <functional>
#include <memory>

#include "autograd/autograd.h"

namespace bevgrad::tape {

/// How a result is had again.
struct Remake {
  std::function<Tensor()> make;
  // The result itself, while somebody else keeps it.
  std::weak_ptr<Storage> memory;
  int64_t offset;
  Shape sizes, strides;
  DType dtype;
  uint64_t version;  // of the memory

  Tensor get();
};

/// Results of at least so many bytes are worth it.
inline constexpr size_t kRemadeBytes = size_t{4} << 20;

/// Says of a result that `record` has just given that `make` gives the same bits again at the cost of a pass over
/// memory. What `make` captures stays alive with the result's users, so it should be what the tape keeps anyway.
/// Nothing where the result is small or not recorded.
void set_remake(const Tensor& result, std::function<Tensor()> make);

/// An input that a rule keeps: as Saved, or how it is had again.
class KeptInput {
 public:
  KeptInput() = default;
  explicit KeptInput(const Tensor& tensor);
  /// As Saved::get; what is computed again for it goes with the handle.
  Tensor get() const;
  bool defined() const { return saved_.defined() || remake_; }

 private:
  Saved saved_;
  std::shared_ptr<Remake> remake_;
};

}  // namespace bevgrad::tape
