#include "cpu/weight_cache.h"

#include "internal/kept_copies.h"

namespace bevgrad::cpu {
namespace {

// Never destroyed: it holds tensors, whose allocator may go first.
KeptCopies<dnnl::memory::desc>& weight_cache() {
  static auto& cache = *new KeptCopies<dnnl::memory::desc>(kMaxKeptWeights);
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

Tensor prepare_weight(const Tensor& weight, const Tensor& scale, const dnnl::memory::desc& wanted, bool keep,
                      const std::function<Tensor()>& make) {
  if (!keep) return make();
  if (Tensor found = weight_cache().find(weight, scale, wanted); found.defined()) return found;
  Tensor prepared = make();
  weight_cache().keep(weight, scale, wanted, prepared);
  return prepared;
}

Tensor prepare_weight(const Tensor& weight, const Tensor& scale, const dnnl::memory::desc& wanted, bool keep) {
  const dnnl::memory::desc plain = plain_weight_desc(wanted.dims());
  if (plain == wanted && !scale.defined()) return weight;
  return prepare_weight(weight, scale, wanted, keep, [&] {
    const Tensor source = scale.defined() ? scaled(weight, scale) : weight;
    Tensor prepared = allocate_for(wanted);
    reorder(wrap(plain, source), wrap(wanted, prepared));
    return prepared;
  });
}

size_t kept_weight_bytes() {
  return weight_cache().bytes();
}

}  // namespace bevgrad::cpu
