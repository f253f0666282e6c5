// Matrix products through oneDNN; float64 by a plain loop over rows.
#include "cpu/backend.h"
#include "cpu/onednn.h"
#include "tensor/launch.h"
#include "tensor/ops.h"

namespace bevgrad::cpu {
namespace {

using dnnl::memory;

template <class T, class R, class P>
void matmul_loops(const Tensor& c, const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b,
                  const MatmulEpilogue& epilogue) {
  const int64_t m = c.size(0), n = c.size(1), k = transpose_a ? a.size(0) : a.size(1);
  const T* pa = a.data<T>();
  const T* pb = b.data<T>();
  const P* shift = epilogue.shift.defined() ? epilogue.shift.data<P>() : nullptr;
  R* pc = c.data<R>();
#pragma omp parallel for schedule(static) if (m * n * k >= kParallelGrain)
  for (int64_t i = 0; i < m; ++i) {
    std::vector<double> row(static_cast<size_t>(n), 0.0);
    for (int64_t p = 0; p < k; ++p) {
      const double value = static_cast<double>(compute_t<T>(transpose_a ? pa[p * m + i] : pa[i * k + p]));
      if (transpose_b) {
        for (int64_t j = 0; j < n; ++j) row[j] += value * static_cast<double>(compute_t<T>(pb[j * k + p]));
      } else {
        for (int64_t j = 0; j < n; ++j) row[j] += value * static_cast<double>(compute_t<T>(pb[p * n + j]));
      }
    }
    for (int64_t j = 0; j < n; ++j) {
      double value = row[j] + (shift ? static_cast<double>(shift[j]) : 0.0);
      if (epilogue.relu && value < 0) value = 0;
      pc[i * n + j] = static_cast<R>(static_cast<compute_t<R>>(value));
    }
  }
}

memory::desc matrix_desc(const Tensor& x, bool transposed) {
  const memory::dims sizes = transposed ? memory::dims{x.size(1), x.size(0)} : memory::dims{x.size(0), x.size(1)};
  return {sizes, data_type(x.dtype()), transposed ? memory::format_tag::ba : memory::format_tag::ab};
}

memory::desc shift_desc(const Tensor& shift) {
  return {{1, shift.size(0)}, memory::data_type::f32, memory::format_tag::ab};
}

bool matmul_by_onednn(const Tensor& c, const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b,
                      const MatmulEpilogue& epilogue) {
  constexpr int64_t kMatmul = 100;
  const memory::desc da = matrix_desc(a, transpose_a), db = matrix_desc(b, transpose_b), dc = matrix_desc(c, false);
  const auto make = [&]() -> Primitive {
    const dnnl::primitive_attr attributes = user_scratchpad();
    const auto operation = epilogue.shift.defined() ? dnnl::matmul::desc(da, db, shift_desc(epilogue.shift), dc)
                                                    : dnnl::matmul::desc(da, db, dc);
    const dnnl::matmul::primitive_desc description(operation, attributes, engine());
    return {true, dnnl::matmul(description), {}, description.scratchpad_desc()};
  };
  const int64_t kind = transpose_a + 2 * transpose_b + 4 * epilogue.shift.defined();
  const PrimitiveKey key{kMatmul,
                         c.size(0),
                         c.size(1),
                         transpose_a ? a.size(0) : a.size(1),
                         static_cast<int64_t>(a.dtype()),
                         static_cast<int64_t>(c.dtype()),
                         kind};
  const auto product = primitive_cache().find(key, make);
  if (!product->usable) return false;
  std::unordered_map<int, memory> arguments{
      {DNNL_ARG_SRC, wrap(da, a)}, {DNNL_ARG_WEIGHTS, wrap(db, b)}, {DNNL_ARG_DST, wrap(dc, c)}};
  if (epilogue.shift.defined()) arguments.emplace(DNNL_ARG_BIAS, wrap(shift_desc(epilogue.shift), epilogue.shift));
  execute(*product, std::move(arguments));
  if (epilogue.relu) add_relu(c, {}, true);
  return true;
}

}  // namespace

void matmul(const Tensor& c, const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b,
            const MatmulEpilogue& epilogue) {
  if (c.numel() == 0) return;
  if (a.dtype() == DType::Float64)
    return matmul_loops<double, double, double>(c, a, b, transpose_a, transpose_b, epilogue);
  if (a.numel() > 0 && matmul_by_onednn(c, a, b, transpose_a, transpose_b, epilogue)) return;
  if (a.dtype() == DType::Float32)
    return matmul_loops<float, float, float>(c, a, b, transpose_a, transpose_b, epilogue);
  if (c.dtype() == DType::Float32)
    return matmul_loops<BFloat16, float, float>(c, a, b, transpose_a, transpose_b, epilogue);
  matmul_loops<BFloat16, BFloat16, float>(c, a, b, transpose_a, transpose_b, epilogue);
}

}  // namespace bevgrad::cpu
