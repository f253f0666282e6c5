// Copies of weights in another layout or precision, kept as long as what they were made from is unwritten.
#pragma once
#include <memory>
#include <mutex>
#include <unordered_map>

#include "tensor/tensor.h"

namespace bevgrad {

/// A storage as it was when something was computed from it.
class Snapshot {
 public:
  explicit Snapshot(const Tensor& tensor) {
    if (!tensor.defined()) return;
    storage_ = tensor.storage();
    version_ = tensor.storage()->version;
    offset_ = tensor.offset();
  }
  bool is_of(const Tensor& tensor) const {
    const auto held = storage_.lock();
    if (!tensor.defined()) return !held && offset_ == 0;
    return held == tensor.storage() && offset_ == tensor.offset();
  }
  bool is_current() const {
    const auto held = storage_.lock();
    return held && held->version == version_;
  }

 private:
  std::weak_ptr<Storage> storage_;
  uint64_t version_ = 0;
  int64_t offset_ = 0;
};

/// Bounded in bytes; found by the storages of weight and scale, their versions and the copy's layout. A written or
/// freed storage never matches. `scale` may be undefined. Thread-safe.
template <class Layout>
class KeptCopies {
 public:
  explicit KeptCopies(size_t max_bytes) : max_bytes_(max_bytes) {}

  /// Undefined where there is none.
  Tensor find(const Tensor& weight, const Tensor& scale, const Layout& wanted) {
    std::lock_guard lock(mutex_);
    auto [begin, end] = entries_.equal_range(weight.storage().get());
    for (auto it = begin; it != end;) {
      if (it->second.is_stale()) {
        bytes_ -= it->second.prepared.nbytes();
        it = entries_.erase(it);
      } else if (it->second.answers(weight, scale, wanted)) {
        return it->second.prepared;
      } else {
        ++it;
      }
    }
    return {};
  }

  void keep(const Tensor& weight, const Tensor& scale, const Layout& layout, const Tensor& prepared) {
    std::lock_guard lock(mutex_);
    std::erase_if(entries_, [&](const auto& entry) {
      if (!entry.second.is_stale()) return false;
      bytes_ -= entry.second.prepared.nbytes();
      return true;
    });
    // A full cache keeps what it has: under a cyclic pattern of use that is better than replacing the oldest.
    if (bytes_ + prepared.nbytes() > max_bytes_) return;
    bytes_ += prepared.nbytes();
    entries_.emplace(weight.storage().get(),
                     Kept{Snapshot(weight), Snapshot(scale), scale.defined(), layout, prepared});
  }

  size_t bytes() {
    std::lock_guard lock(mutex_);
    return bytes_;
  }

 private:
  struct Kept {
    Snapshot weight;
    Snapshot scale;
    bool has_scale = false;
    Layout layout;
    Tensor prepared;

    bool is_stale() const { return !weight.is_current() || (has_scale && !scale.is_current()); }
    bool answers(const Tensor& w, const Tensor& s, const Layout& wanted) const {
      return has_scale == s.defined() && layout == wanted && weight.is_of(w) && (!has_scale || scale.is_of(s));
    }
  };

  size_t max_bytes_;
  std::mutex mutex_;
  std::unordered_multimap<const Storage*, Kept> entries_;
  size_t bytes_ = 0;
};

}  // namespace bevgrad
