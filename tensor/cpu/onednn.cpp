#include "cpu/onednn.h"

#include <omp.h>

namespace bevgrad::cpu {
namespace {

constexpr size_t kMaxPrimitives = 1024;

}  // namespace

const dnnl::engine& engine() {
  static const dnnl::engine instance(dnnl::engine::kind::cpu, 0);
  return instance;
}

dnnl::memory::data_type data_type(DType dtype) {
  switch (dtype) {
    case DType::Float32:
      return dnnl::memory::data_type::f32;
    case DType::BFloat16:
      return dnnl::memory::data_type::bf16;
    case DType::UInt8:
      return dnnl::memory::data_type::u8;
    case DType::Int8:
      return dnnl::memory::data_type::s8;
    default:
      fail("onednn: {} is not supported", name(dtype));
  }
}

dnnl::memory::desc activation_desc(const Tensor& x) {
  return {x.sizes(), data_type(x.dtype()), dnnl::memory::format_tag::nhwc};
}

dnnl::memory::dims weight_dims(const Tensor& weight, int groups) {
  if (groups == 1) return weight.sizes();
  return {groups, weight.size(0) / groups, weight.size(1), weight.size(2), weight.size(3)};
}

dnnl::memory::desc any_weight_desc(const Tensor& weight, dnnl::memory::data_type type, int groups) {
  return {weight_dims(weight, groups), type, dnnl::memory::format_tag::any};
}

dnnl::memory::desc plain_weight_desc(const dnnl::memory::dims& sizes) {
  using tag = dnnl::memory::format_tag;
  return {sizes, dnnl::memory::data_type::f32, sizes.size() == 5 ? tag::goihw : tag::oihw};
}

dnnl::memory wrap(const dnnl::memory::desc& desc, const Tensor& tensor) {
  return {desc, engine(), tensor.raw_data()};
}

Tensor allocate_for(const dnnl::memory::desc& desc) {
  return empty({static_cast<int64_t>(desc.get_size())}, {DType::UInt8});
}

void execute(const Primitive& primitive, std::unordered_map<int, dnnl::memory> arguments) {
  thread_local dnnl::stream stream(engine());
  Tensor scratchpad;
  if (primitive.scratchpad.get_size() > 0) {
    scratchpad = allocate_for(primitive.scratchpad);
    arguments.emplace(DNNL_ARG_SCRATCHPAD, wrap(primitive.scratchpad, scratchpad));
  }
  primitive.primitive.execute(stream, arguments);
  stream.wait();
}

std::shared_ptr<const Primitive> PrimitiveCache::find(PrimitiveKey key, const std::function<Primitive()>& make) {
  key.push_back(omp_get_max_threads());
  if (const auto found = primitives_.find(key)) return *found;
  auto primitive = std::make_shared<Primitive>();
  try {
    *primitive = make();
    primitive->usable = true;
  } catch (const dnnl::error&) {
    primitive->usable = false;
  }
  return primitives_.put(key, primitive);
}

PrimitiveCache& primitive_cache() {
  static PrimitiveCache cache(kMaxPrimitives);
  return cache;
}

dnnl::primitive_attr user_scratchpad() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

}  // namespace bevgrad::cpu
