// What every use of oneDNN shares: the engine, memory descriptors of tensors, the cache of primitives.
#pragma once
#include <dnnl.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/recent.h"
#include "tensor/tensor.h"

namespace bevgrad::cpu {

const dnnl::engine& engine();
dnnl::memory::data_type data_type(DType dtype);

/// [N,C,H,W], channels-last.
dnnl::memory::desc activation_desc(const Tensor& x);
/// The sizes of a weight [out,in/groups,kh,kw] as oneDNN has them: with several groups, these are in front.
dnnl::memory::dims weight_dims(const Tensor& weight, int groups);
/// The same in whatever layout the primitive likes best.
dnnl::memory::desc any_weight_desc(const Tensor& weight, dnnl::memory::data_type type, int groups = 1);
/// A contiguous float32 weight of those sizes.
dnnl::memory::desc plain_weight_desc(const dnnl::memory::dims& sizes);
/// The tensor's memory seen through `desc`.
dnnl::memory wrap(const dnnl::memory::desc& desc, const Tensor& tensor);

/// Bytes from our allocator, as oneDNN sees them.
Tensor allocate_for(const dnnl::memory::desc& desc);

/// A primitive and the layouts it was built for. `usable` is false where oneDNN has no kernel for the shape.
struct Primitive {
  bool usable = false;
  dnnl::primitive primitive;
  dnnl::memory::desc weight;
  dnnl::memory::desc scratchpad;
};

/// Runs with a scratchpad from our allocator, so that oneDNN keeps none of its own.
void execute(const Primitive& primitive, std::unordered_map<int, dnnl::memory> arguments);

/// What a primitive is found by: numbers that determine it. The thread count is added by the cache, because oneDNN
/// plans a primitive's work for the number of threads that it is created under.
using PrimitiveKey = std::vector<int64_t>;

/// Least recently used primitives go when there are more than `capacity`. Thread-safe.
class PrimitiveCache {
 public:
  explicit PrimitiveCache(size_t capacity) : primitives_(capacity) {}
  /// `make` may throw dnnl::error: remembered as not usable.
  std::shared_ptr<const Primitive> find(PrimitiveKey key, const std::function<Primitive()>& make);

 private:
  Recent<PrimitiveKey, std::shared_ptr<const Primitive>, NumbersHash> primitives_;
};

PrimitiveCache& primitive_cache();
/// Attributes with a scratchpad that the caller brings.
dnnl::primitive_attr user_scratchpad();

}  // namespace bevgrad::cpu
