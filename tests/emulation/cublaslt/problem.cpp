#include "problem.h"

#include <dnnl.hpp>

#include <bit>
#include <cmath>
#include <vector>

namespace bevgrad::emulation::cublaslt {
namespace {

float from_bfloat16(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

uint16_t to_bfloat16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

float to_tf32(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return value;
  return std::bit_cast<float>((bits + 0xfffu + ((bits >> 13) & 1u)) & ~0x1fffu);
}

double element(cudaDataType_t type, const void* memory, int64_t i) {
  switch (type) {
    case CUDA_R_64F:
      return static_cast<const double*>(memory)[i];
    case CUDA_R_16BF:
      return from_bfloat16(static_cast<const uint16_t*>(memory)[i]);
    default:
      return static_cast<const float*>(memory)[i];
  }
}

void put(cudaDataType_t type, void* memory, int64_t i, double value) {
  if (type == CUDA_R_64F) {
    static_cast<double*>(memory)[i] = value;
  } else if (type == CUDA_R_16BF) {
    static_cast<uint16_t*>(memory)[i] = to_bfloat16(static_cast<float>(value));
  } else {
    static_cast<float*>(memory)[i] = static_cast<float>(value);
  }
}

double after(const Problem& p, const Pointers& pointers, int64_t row, double value) {
  if (p.has_bias()) value += element(p.bias_type(), pointers.bias, row);
  return p.has_relu() && value < 0 ? 0 : value;
}

// float64 by plain loops.
void compute_wide(const Problem& p, const Pointers& pointers) {
  const auto* a = static_cast<const double*>(pointers.a);
  const auto* b = static_cast<const double*>(pointers.b);
  for (int64_t column = 0; column < p.d.columns; ++column)
    for (int64_t row = 0; row < p.d.rows; ++row) {
      double sum = 0;
      for (int64_t i = 0; i < p.inner(); ++i)
        sum += a[p.desc.transpose_a == CUBLAS_OP_N ? i * p.a.leading + row : row * p.a.leading + i] *
               b[p.desc.transpose_b == CUBLAS_OP_N ? column * p.b.leading + i : i * p.b.leading + column];
      put(p.d.type, pointers.d, column * p.d.leading + row, after(p, pointers, row, sum));
    }
}

// A matrix without gaps, in float32.
std::vector<float> load(const cublasLtMatrixLayoutOpaque_t& layout, const void* memory, bool tf32) {
  std::vector<float> values(static_cast<size_t>(layout.rows * layout.columns));
  for (int64_t column = 0; column < layout.columns; ++column)
    for (int64_t row = 0; row < layout.rows; ++row) {
      const auto value = static_cast<float>(element(layout.type, memory, column * layout.leading + row));
      values[static_cast<size_t>(column * layout.rows + row)] = tf32 ? to_tf32(value) : value;
    }
  return values;
}

}  // namespace

size_t size_of(cudaDataType_t type) {
  return type == CUDA_R_64F ? 8 : type == CUDA_R_32F ? 4 : 2;
}

size_t extent(const cublasLtMatrixLayoutOpaque_t& layout) {
  return static_cast<size_t>((layout.columns - 1) * layout.leading + layout.rows) * size_of(layout.type);
}

cublasStatus_t check(const Problem& p, const cublasLtMatrixLayoutOpaque_t& c, std::string& reason) {
  const auto say = [&](cublasStatus_t status, const char* why) {
    reason = why;
    return status;
  };
  for (const auto* layout : {&p.a, &p.b, &c, &p.d}) {
    if (layout->rows <= 0 || layout->columns <= 0) return say(CUBLAS_STATUS_INVALID_VALUE, "an empty matrix");
    if (layout->leading < layout->rows) return say(CUBLAS_STATUS_INVALID_VALUE, "columns that overlap");
  }
  const bool plain_a = p.desc.transpose_a == CUBLAS_OP_N, plain_b = p.desc.transpose_b == CUBLAS_OP_N;
  if ((plain_a ? p.a.rows : p.a.columns) != p.d.rows || (plain_b ? p.b.columns : p.b.rows) != p.d.columns ||
      (plain_a ? p.a.columns : p.a.rows) != (plain_b ? p.b.rows : p.b.columns))
    return say(CUBLAS_STATUS_INVALID_VALUE, "sizes that do not go together");
  if (c.rows != p.d.rows || c.columns != p.d.columns || c.type != p.d.type)
    return say(CUBLAS_STATUS_INVALID_VALUE, "c and d differ");
  const bool wide = p.a.type == CUDA_R_64F;
  if (p.a.type != p.b.type) return say(CUBLAS_STATUS_NOT_SUPPORTED, "factors of two types");
  if (wide ? p.desc.compute != CUBLAS_COMPUTE_64F || p.desc.scale != CUDA_R_64F || p.d.type != CUDA_R_64F
           : p.desc.compute == CUBLAS_COMPUTE_64F || p.desc.scale != CUDA_R_32F || p.d.type == CUDA_R_64F)
    return say(CUBLAS_STATUS_NOT_SUPPORTED, "a compute or scale type that does not go with the matrices");
  if (p.a.type == CUDA_R_32F && p.d.type != CUDA_R_32F)
    return say(CUBLAS_STATUS_NOT_SUPPORTED, "a narrow result of float32 factors");
  if (p.desc.compute == CUBLAS_COMPUTE_32F_FAST_TF32 && p.a.type != CUDA_R_32F)
    return say(CUBLAS_STATUS_NOT_SUPPORTED, "TF32 of other factors than float32");
  if (wide && p.desc.epilogue != CUBLASLT_EPILOGUE_DEFAULT)
    return say(CUBLAS_STATUS_NOT_SUPPORTED, "an epilogue in float64");
  if (p.has_bias() && p.bias_type() != p.d.type)
    return say(CUBLAS_STATUS_NOT_SUPPORTED, "a bias of another type than the result");
  return CUBLAS_STATUS_SUCCESS;
}

void compute(const Problem& p, const Pointers& pointers) {
  if (p.a.type == CUDA_R_64F) return compute_wide(p, pointers);
  // In rows: d^T = op(b)^T op(a)^T, where a column-major matrix is its row-major transpose.
  const bool tf32 = p.desc.compute == CUBLAS_COMPUTE_32F_FAST_TF32;
  const std::vector<float> a = load(p.a, pointers.a, tf32), b = load(p.b, pointers.b, tf32);
  std::vector<float> d(static_cast<size_t>(p.d.rows * p.d.columns));
  dnnl_sgemm(p.desc.transpose_b == CUBLAS_OP_N ? 'N' : 'T', p.desc.transpose_a == CUBLAS_OP_N ? 'N' : 'T', p.d.columns,
             p.d.rows, p.inner(), 1.0f, b.data(), p.b.rows, a.data(), p.a.rows, 0.0f, d.data(), p.d.rows);
  for (int64_t column = 0; column < p.d.columns; ++column)
    for (int64_t row = 0; row < p.d.rows; ++row)
      put(p.d.type, pointers.d, column * p.d.leading + row,
          after(p, pointers, row, d[static_cast<size_t>(column * p.d.rows + row)]));
}

}  // namespace bevgrad::emulation::cublaslt
