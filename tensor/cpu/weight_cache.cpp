#include "cpu/weight_cache.h"

namespace bevgrad::cpu {
namespace {

// A storage as it was when something was computed from it.
struct Snapshot {
  std::weak_ptr<Storage> storage;
  uint64_t version = 0;
  int64_t offset = 0;

  explicit Snapshot(const Tensor& tensor) {
    if (!tensor.defined()) return;
    storage = tensor.storage();
    version = tensor.storage()->version;
    offset = tensor.offset();
  }
  bool is_of(const Tensor& tensor) const {
    const auto held = storage.lock();
    if (!tensor.defined()) return !held && offset == 0;
    return held == tensor.storage() && offset == tensor.offset();
  }
  bool is_current() const {
    const auto held = storage.lock();
    return held && held->version == version;
  }
};

struct Kept {
  Snapshot weight;
  Snapshot scale;
  bool has_scale = false;
  dnnl::memory::desc layout;
  Tensor prepared;

  bool is_stale() const { return !weight.is_current() || (has_scale && !scale.is_current()); }
  bool answers(const Tensor& w, const Tensor& s, const dnnl::memory::desc& wanted) const {
    return has_scale == s.defined() && layout == wanted && weight.is_of(w) && (!has_scale || scale.is_of(s));
  }
};

class WeightCache {
 public:
  Tensor find(const Tensor& weight, const Tensor& scale, const dnnl::memory::desc& wanted) {
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

  void keep(const Tensor& weight, const Tensor& scale, const dnnl::memory::desc& layout, const Tensor& prepared) {
    std::lock_guard lock(mutex_);
    std::erase_if(entries_, [&](const auto& entry) {
      if (!entry.second.is_stale()) return false;
      bytes_ -= entry.second.prepared.nbytes();
      return true;
    });
    // A full cache keeps what it has: under a cyclic pattern of use that is better than replacing the oldest.
    if (bytes_ + prepared.nbytes() > kMaxKeptWeights) return;
    bytes_ += prepared.nbytes();
    entries_.emplace(weight.storage().get(),
                     Kept{Snapshot(weight), Snapshot(scale), scale.defined(), layout, prepared});
  }

  size_t bytes() {
    std::lock_guard lock(mutex_);
    return bytes_;
  }

 private:
  std::mutex mutex_;
  std::unordered_multimap<const Storage*, Kept> entries_;
  size_t bytes_ = 0;
};

// Never destroyed: it holds tensors, whose allocator may go first.
WeightCache& weight_cache() {
  static WeightCache& cache = *new WeightCache;
  return cache;
}

Tensor scaled(const Tensor& weight, const Tensor& scale) {
  Tensor result = empty(weight.sizes());
  const int64_t rows = weight.size(0), length = weight.numel() / std::max<int64_t>(rows, 1);
  const float* in = weight.data<float>();
  const float* factor = scale.data<float>();
  float* out = result.data<float>();
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t i = 0; i < length; ++i) out[r * length + i] = in[r * length + i] * factor[r];
  return result;
}

}  // namespace

void reorder(const dnnl::memory& from, const dnnl::memory& to) {
  const dnnl::memory::desc from_desc = from.get_desc(), to_desc = to.get_desc();
  const dnnl::reorder::primitive_desc description(engine(), from_desc, engine(), to_desc, user_scratchpad());
  const Primitive primitive{true, dnnl::reorder(description), {}, description.scratchpad_desc()};
  execute(primitive, {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
}

Tensor prepare_weight(const Tensor& weight, const Tensor& scale, const dnnl::memory::desc& wanted, bool keep) {
  if (keep) {
    if (Tensor found = weight_cache().find(weight, scale, wanted); found.defined()) return found;
  }
  const Tensor source = scale.defined() ? scaled(weight, scale) : weight;
  const dnnl::memory::desc plain(weight.sizes(), dnnl::memory::data_type::f32, dnnl::memory::format_tag::oihw);
  if (plain == wanted && !scale.defined()) return weight;
  Tensor prepared = allocate_for(wanted);
  reorder(wrap(plain, source), wrap(wanted, prepared));
  if (keep) weight_cache().keep(weight, scale, wanted, prepared);
  return prepared;
}

size_t kept_weight_bytes() {
  return weight_cache().bytes();
}

}  // namespace bevgrad::cpu
