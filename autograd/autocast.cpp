#include "autograd/autocast.h"

namespace bevgrad {
namespace {

thread_local DType current = DType::Float32;

}  // namespace

DType autocast_dtype() {
  return current;
}

AutocastGuard::AutocastGuard(DType dtype) : previous_(current) {
  check(dtype == DType::Float32 || dtype == DType::BFloat16, "autocast: expected float32 (off) or bfloat16, got {}",
        name(dtype));
  current = dtype;
}

AutocastGuard::~AutocastGuard() {
  current = previous_;
}

DType compute_dtype(const Tensor& x) {
  return current == DType::BFloat16 && x.dtype() == DType::Float32 ? DType::BFloat16 : x.dtype();
}

}  // namespace bevgrad
