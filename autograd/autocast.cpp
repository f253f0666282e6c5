#include "autograd/autocast.h"

#include "tensor/thread_scopes.h"

namespace bevgrad {

DType autocast_dtype() {
  return thread_scopes().autocast;
}

AutocastGuard::AutocastGuard(DType dtype) : previous_(thread_scopes().autocast) {
  check(dtype == DType::Float32 || dtype == DType::BFloat16, "autocast: expected float32 (off) or bfloat16, got {}",
        name(dtype));
  thread_scopes().autocast = dtype;
}

AutocastGuard::~AutocastGuard() {
  thread_scopes().autocast = previous_;
}

DType compute_dtype(const Tensor& x) {
  return autocast_dtype() == DType::BFloat16 && x.dtype() == DType::Float32 ? DType::BFloat16 : x.dtype();
}

}  // namespace bevgrad
