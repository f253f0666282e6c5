#include "tensor/backend.h"
#include "tensor/ops.h"
#include "tensor/tape.h"

namespace bevgrad::ops {

Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b) {
  const tape::PlainOp scope("matmul", {{"a", a}, {"b", b}});
  check(a.dim() >= 2 && b.dim() == 2, "matmul: expected a [..,m,k] and b [k,n], got {} and {}", to_string(a.sizes()),
        to_string(b.sizes()));
  check(a.dim() == 2 || !transpose_a, "matmul: a transposed first operand must have two dimensions, got {}",
        to_string(a.sizes()));
  check(a.dtype() == b.dtype() && a.device() == b.device(), "matmul: {} does not go with {}", describe(a), describe(b));
  if (a.dtype() == DType::Float16)
    return to(matmul(to(a, DType::Float32), to(b, DType::Float32), transpose_a, transpose_b), DType::Float16);
  const int64_t k = a.size(transpose_a ? -2 : -1);
  const int64_t n = b.size(transpose_b ? 0 : 1);
  check(k == b.size(transpose_b ? 1 : 0), "matmul: inner sizes differ: {}{} x {}{}", to_string(a.sizes()),
        transpose_a ? " transposed" : "", to_string(b.sizes()), transpose_b ? " transposed" : "");
  Shape sizes = a.sizes();
  if (transpose_a) sizes[0] = a.size(1);
  sizes.back() = n;
  const Tensor rows = a.dim() == 2 ? a : reshape(a, {k ? a.numel() / k : numel(sizes) / std::max<int64_t>(n, 1), k});
  const Tensor product = empty({transpose_a ? a.size(1) : rows.size(0), n}, {a.dtype(), {}, a.device()});
  const Backend& device = backend(a.device());
  run_kernel(device.matmul, "matmul", a.device(), product, contiguous(rows), contiguous(b), transpose_a, transpose_b,
             MatmulEpilogue{});
  return product.dim() == a.dim() ? product : view(product, sizes);
}

}  // namespace bevgrad::ops
