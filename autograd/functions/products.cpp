#include "autograd/functions/products.h"

#include "autograd/functions/pointwise.h"
#include "autograd/functions/shape.h"
#include "functions/internal/float16.h"
#include "functions/internal/rule_ops.h"
#include "tensor/backend.h"
#include "tensor/element.h"
#include "tensor/launch.h"

namespace bevgrad {
namespace {

// One index is one row of one product: for matrices so small that calling a library costs more than the product.
template <class T>
struct SmallProduct {
  T* c;
  const T* a;
  const T* b;
  int64_t m, n, k;

  BEVGRAD_HD void operator()(int64_t row) const {
    using R = compute_t<T>;
    constexpr int64_t kBlock = 16;
    const T* left = a + row * k;
    const T* right = b + row / m * k * n;
    for (int64_t begin = 0; begin < n; begin += kBlock) {
      const int64_t width = n - begin < kBlock ? n - begin : kBlock;
      R sums[kBlock] = {};
      for (int64_t p = 0; p < k; ++p) {
        const R factor = load(left, p);
#pragma omp simd
        for (int64_t j = 0; j < width; ++j) sums[j] += factor * load(right, p * n + begin + j);
      }
      for (int64_t j = 0; j < width; ++j) store(c, row * n + begin + j, sums[j]);
    }
  }
};

// a [b,m,k] x b [b,k,n].
Tensor multiplied(const Tensor& a, const Tensor& b) {
  const int64_t batch = a.size(0), m = a.size(1), k = a.size(2), n = b.size(2);
  const Tensor c = empty({batch, m, n}, {a.dtype(), {}, a.device()});
  if (c.numel() == 0) return c;
  constexpr int64_t kSmall = 32 * 32 * 32;
  if (m * n * k <= kSmall || batch > 65536) {
    const Tensor left = ops::contiguous(a), right = ops::contiguous(b);
    dispatch_floating("bmm", a.dtype(), [&]<class T>() {
      launch(a.device(), batch * m, SmallProduct<T>{c.data<T>(), left.data<const T>(), right.data<const T>(), m, n, k},
             k * n / 8 + 1);
    });
    return c;
  }
  // A transposed operand is passed on as such.
  const auto is_transposed = [](const Tensor& x) { return !x.is_contiguous() && x.stride(1) == 1 && x.size(2) > 1; };
  const bool transpose_a = is_transposed(a), transpose_b = is_transposed(b);
  for (int64_t i = 0; i < batch; ++i) {
    const auto matrix = [i](const Tensor& x, bool transposed) {
      const Tensor one = ops::select(x, 0, i);
      return ops::contiguous(transposed ? ops::transpose(one, 0, 1) : one);
    };
    run_kernel(backend(a.device()).matmul, "bmm", a.device(), ops::select(c, 0, i), matrix(a, transpose_a),
               matrix(b, transpose_b), transpose_a, transpose_b, MatmulEpilogue{});
  }
  return c;
}

}  // namespace

Tensor bmm(const Tensor& a, const Tensor& b) {
  if (is_float16(a) && is_float16(b)) return to(bmm(in_float32(a), in_float32(b)), DType::Float16);
  const OpScope scope("bmm", {{"a", a}, {"b", b}});
  check(a.dim() == 3 && b.dim() == 3 && a.size(0) == b.size(0) && a.size(2) == b.size(1) && a.dtype() == b.dtype() &&
            a.device() == b.device(),
        "bmm: {} does not go with {}, expected [b,m,k] and [b,k,n] of one dtype and device", describe(a), describe(b));
  return record("bmm", multiplied(a, b), {a, b},
                twice([a_ = Saved(requires_grad(b) ? a : Tensor()), b_ = Saved(requires_grad(a) ? b : Tensor())](
                          const Tensor& dy, const NeedsGrad& needs) {
                  const auto product = [](const Tensor& a, const Tensor& b) {
                    return rule::is_recorded() ? bmm(a, b) : multiplied(a, b);
                  };
                  Grads grads(2);
                  if (needs[0]) grads[0] = product(dy, rule::transpose(rule::input(1, b_.get()), 1, 2));
                  if (needs[1]) grads[1] = product(rule::transpose(rule::input(0, a_.get()), 1, 2), dy);
                  return grads;
                }));
}

Tensor outer(const Tensor& a, const Tensor& b) {
  tape::check_defined("outer", {{"a", a}, {"b", b}});
  check(a.dim() == 1 && b.dim() == 1, "outer: expected [m] and [n], got {} and {}", to_string(a.sizes()),
        to_string(b.sizes()));
  return mul(unsqueeze(a, 1), b);
}

}  // namespace bevgrad
