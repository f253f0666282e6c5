#include "autograd/functions/linear.h"

#include "autograd/functions/products.h"
#include "autograd/functions/reduce.h"
#include "autograd/functions/shape.h"
#include "functions/internal/conv_support.h"
#include "functions/internal/float16.h"
#include "functions/internal/rule_ops.h"
#include "tensor/compare.h"

namespace bevgrad {
namespace {

// [..,k] as [rows,k].
Tensor rows(const Tensor& x) {
  const int64_t width = x.size(-1);
  int64_t count = 1;
  for (int d = 0; d + 1 < x.dim(); ++d) count *= x.size(d);
  return ops::contiguous(x.dim() == 2 ? x : ops::reshape(x, {count, width}));
}

// a^T b for a [m,k], b [m,n] in the dtype of the parameters, accumulated in float32.
Tensor parameter_gradient(const Tensor& a, const Tensor& b) {
  const DType dtype = a.dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
  const Tensor product = empty({a.size(1), b.size(1)}, {dtype, {}, a.device()});
  if (a.size(0) == 0) {
    ops::fill_(product, 0.0);
    return product;
  }
  run_kernel(backend(a.device()).matmul, "linear backward", a.device(), product, a, b, true, false, MatmulEpilogue{});
  return product;
}

// Both with their batch dimensions broadcast, as one batch.
Tensor batched_matmul(const Tensor& a, const Tensor& b) {
  const Shape batch = broadcast_shapes("matmul", Shape(a.sizes().begin(), a.sizes().end() - 2),
                                       Shape(b.sizes().begin(), b.sizes().end() - 2));
  const auto flat = [&batch](const Tensor& x) {
    Shape sizes = batch;
    sizes.insert(sizes.end(), x.sizes().end() - 2, x.sizes().end());
    return reshape(expand(x, sizes), {numel(batch), x.size(-2), x.size(-1)});
  };
  check(a.size(-1) == b.size(-2), "matmul: inner sizes differ: {} x {}", to_string(a.sizes()), to_string(b.sizes()));
  Shape sizes = batch;
  sizes.insert(sizes.end(), {a.size(-2), b.size(-1)});
  return reshape(bmm(flat(a), flat(b)), sizes);
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b) {
  tape::check_defined("matmul", {{"a", a}, {"b", b}});
  check(a.dim() >= 1 && b.dim() >= 1, "matmul: a scalar has no matrix product: {} and {}", to_string(a.sizes()),
        to_string(b.sizes()));
  if (is_float16(a) && is_float16(b)) return to(matmul(in_float32(a), in_float32(b)), DType::Float16);
  // A vector is a row on the left, a column on the right; its dimension does not show in the result.
  if (a.dim() == 1 && b.dim() == 1) return reshape(matmul(unsqueeze(a, 0), unsqueeze(b, 1)), {});
  if (a.dim() == 1) return squeeze(matmul(unsqueeze(a, 0), b), -2);
  if (b.dim() == 1) return squeeze(matmul(a, unsqueeze(b, 1)), -1);
  if (b.dim() > 2) return batched_matmul(a, b);
  const OpScope scope("matmul");
  return record("matmul", ops::matmul(a, b), {a, b},
                twice([a_ = Saved(requires_grad(b) ? a : Tensor()), b_ = Saved(requires_grad(a) ? b : Tensor()),
                       b_sizes = b.sizes()](const Tensor& dy, const NeedsGrad& needs) {
                  Grads grads(2);
                  if (rule::is_recorded()) {
                    if (needs[0]) grads[0] = matmul(dy, transpose(rule::input(1, b_.get()), 0, 1));
                    if (needs[1]) {
                      const Tensor a = rule::input(0, a_.get());
                      const Tensor left = reshape(a, {a.numel() / a.size(-1), a.size(-1)});
                      grads[1] = matmul(transpose(left, 0, 1), reshape(dy, {left.size(0), dy.size(-1)}));
                    }
                    return grads;
                  }
                  if (needs[0]) grads[0] = ops::matmul(dy, b_.get(), false, true);
                  if (needs[1]) {
                    const Tensor left = rows(a_.get());
                    grads[1] = left.size(0) ? ops::matmul(left, rows(dy), true, false)
                                            : zeros(b_sizes, {dy.dtype(), {}, dy.device()});
                  }
                  return grads;
                }));
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, bool relu) {
  if (is_float16(x)) return to(linear(in_float32(x), in_float32(weight), in_float32(bias), relu), DType::Float16);
  const OpScope scope("linear", {{"x", x}, {"weight", weight}});
  conv_support::check_dtypes("linear", x, weight);
  check(x.dim() >= 1 && weight.dim() == 2 && x.size(-1) == weight.size(1),
        "linear: input {} has {} features, weight {} expects [out,in] with in the same", to_string(x.sizes()),
        x.dim() ? x.size(-1) : 0, to_string(weight.sizes()));
  check(!bias.defined() || (bias.sizes() == Shape{weight.size(0)} && bias.dtype() == weight.dtype()),
        "linear: bias is {}, expected {} [{}]", describe(bias), name(weight.dtype()), weight.size(0));
  const DType dtype = compute_dtype(x);
  const Tensor input = rows(ops::to(x, dtype));
  const Tensor factors = ops::contiguous(ops::to(weight, dtype));
  Shape sizes = x.sizes();
  sizes.back() = weight.size(0);
  Tensor product = empty({input.size(0), weight.size(0)}, {dtype, {}, x.device()});
  run_kernel(backend(x.device()).matmul, "linear", x.device(), product, input, factors, false, true,
             MatmulEpilogue{bias.defined() ? ops::contiguous(bias) : Tensor(), relu});
  const Tensor y = x.dim() == 2 ? product : ops::view(product, sizes);
  if (!will_record({x, weight, bias})) return record("linear", y, {x, weight, bias}, nullptr);

  auto rule = [input_ = requires_grad(weight) ? Saved(input) : Saved(),
               weight_ = requires_grad(x) ? Saved(weight) : Saved(), y_ = relu ? Saved(product) : Saved(),
               x_sizes = x.sizes(), x_dtype = x.dtype()](const Tensor& dy, const NeedsGrad& needs) {
    Grads grads(3);
    if (rule::is_recorded()) {
      rule::check_not_narrowed("linear", dy, x_dtype);
      const Tensor dense = reshape(dy, {numel(dy.sizes()) / dy.size(-1), dy.size(-1)});
      const Tensor dz = y_.defined() ? mul(dense, ops::to(gt(y_.get(), 0.0), dy.dtype())) : dense;
      if (needs[0]) grads[0] = reshape(matmul(dz, rule::input(1, weight_.get())), x_sizes);
      if (needs[1]) {
        const Tensor x = rule::input(0, ops::view(detach(input_.get()), x_sizes));
        grads[1] = matmul(transpose(dz, 0, 1), reshape(x, input_.get().sizes()));
      }
      if (needs[2]) grads[2] = sum(dz, {0});
      return grads;
    }
    const Tensor dz = conv_support::masked(rows(dy), y_.get());
    if (needs[0]) {
      const Tensor dx = ops::matmul(dz, ops::to(weight_.get(), dz.dtype()));
      grads[0] = ops::to(ops::view(dx, x_sizes), x_dtype);
    }
    if (needs[1]) grads[1] = parameter_gradient(dz, input_.get());
    if (needs[2]) grads[2] = conv_support::sum_channels(dz);
    return grads;
  };
  return record("linear", y, {x, weight, bias}, twice(std::move(rule)));
}

}  // namespace bevgrad
