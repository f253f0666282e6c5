#include "cuda/direct.h"
#include "tensor/element.h"
#include "tensor/launch.h"

namespace bevgrad::cuda::direct {
namespace {

/// Element [i,j] of a factor lies at i * row + j * column.
struct Steps {
  int64_t row, column;
};

template <class T, class R, class P>
struct Product {
  R* c;
  const T* a;
  const T* b;
  const P* shift;
  bool relu;
  int64_t n, k;
  Steps in_a, in_b;

  BEVGRAD_HD void operator()(int64_t at) const {
    const int64_t i = at / n, j = at - i * n;
    double sum = 0;
    for (int64_t p = 0; p < k; ++p)
      sum += static_cast<double>(load(a, i * in_a.row + p * in_a.column)) *
             static_cast<double>(load(b, p * in_b.row + j * in_b.column));
    if (shift) sum += static_cast<double>(shift[j]);
    if (relu && sum < 0) sum = 0;
    store(c, at, static_cast<compute_t<R>>(sum));
  }
};

template <class T, class R, class P>
void run(const Tensor& c, const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b,
         const MatmulEpilogue& epilogue) {
  const int64_t k = a.size(transpose_a ? 0 : 1);
  const Steps in_a = transpose_a ? Steps{1, a.size(1)} : Steps{a.size(1), 1};
  const Steps in_b = transpose_b ? Steps{1, b.size(1)} : Steps{b.size(1), 1};
  const P* shift = epilogue.shift.defined() ? epilogue.shift.data<P>() : nullptr;
  launch(c.device(), c.numel(),
         Product<T, R, P>{c.data<R>(), a.data<T>(), b.data<T>(), shift, epilogue.relu, c.size(1), k, in_a, in_b}, k);
}

}  // namespace

void matmul(const Tensor& c, const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b,
            const MatmulEpilogue& epilogue) {
  if (a.dtype() == DType::Float64) return run<double, double, double>(c, a, b, transpose_a, transpose_b, epilogue);
  if (a.dtype() == DType::Float32) return run<float, float, float>(c, a, b, transpose_a, transpose_b, epilogue);
  if (c.dtype() == DType::Float32) return run<BFloat16, float, float>(c, a, b, transpose_a, transpose_b, epilogue);
  run<BFloat16, BFloat16, float>(c, a, b, transpose_a, transpose_b, epilogue);
}

}  // namespace bevgrad::cuda::direct
