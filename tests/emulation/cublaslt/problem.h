// A matrix product as cuBLASLt is asked for it: d = epilogue(op(a) op(b)), all in columns.
#pragma once
#include <cublasLt.h>

#include <cstddef>
#include <string>

struct cublasLtContext {
  int device;
};
struct cublasLtMatrixLayoutOpaque_t {
  cudaDataType_t type;
  int64_t rows, columns, leading;
};
struct cublasLtMatmulDescOpaque_t {
  cublasComputeType_t compute;
  cudaDataType_t scale;
  cublasOperation_t transpose_a = CUBLAS_OP_N, transpose_b = CUBLAS_OP_N;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const void* bias = nullptr;
  int bias_type = -1;  // as d
};
struct cublasLtMatmulPreferenceOpaque_t {
  uint64_t max_workspace = 0;
  uint32_t reduction_schemes = 7;
  uint32_t alignment[4] = {256, 256, 256, 256};  // a, b, c, d
};

namespace bevgrad::emulation::cublaslt {

struct Problem {
  cublasLtMatmulDescOpaque_t desc;
  cublasLtMatrixLayoutOpaque_t a, b, d;

  bool has_bias() const { return (desc.epilogue & CUBLASLT_EPILOGUE_BIAS) != 0; }
  bool has_relu() const { return (desc.epilogue & CUBLASLT_EPILOGUE_RELU) != 0; }
  int64_t inner() const { return desc.transpose_a == CUBLAS_OP_N ? a.columns : a.rows; }
  cudaDataType_t bias_type() const {
    return desc.bias_type == -1 ? d.type : static_cast<cudaDataType_t>(desc.bias_type);
  }
};

size_t size_of(cudaDataType_t type);
/// Bytes from the first element to behind the last.
size_t extent(const cublasLtMatrixLayoutOpaque_t& layout);

/// What the library says of the problem; `reason` tells why it is not a success.
cublasStatus_t check(const Problem& problem, const cublasLtMatrixLayoutOpaque_t& c, std::string& reason);

struct Pointers {
  const void *a, *b, *bias;
  void* d;
};
/// On memory that is open.
void compute(const Problem& problem, const Pointers& pointers);

}  // namespace bevgrad::emulation::cublaslt
