// Matrix products through cuBLASLt. It thinks in columns: a row-major [r,c] matrix is its column-major c x r, so that
// c = op(a) op(b) is asked for as c^T = op(b)^T op(a)^T with the operands exchanged.
#include <algorithm>
#include <memory>
#include <type_traits>

#include "base/recent.h"
#include "cuda/backend.h"
#include "cuda/direct.h"
#include "cuda/handles.h"
#include "tensor/cuda_stream.h"
#include "tensor/determinism.h"
#include "tensor/device_counts.h"
#include "tensor/ops.h"

namespace bevgrad::cuda {
namespace {

constexpr size_t kMaxPlans = 1024;
constexpr uint64_t kMaxWorkspace = uint64_t{32} << 20;  // what NVIDIA recommends for its largest devices

void check(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  check_not_lost(call);
  fail("{}: {}", call, cublasLtGetStatusString(status));
}

template <auto destroy>
struct Destroy {
  template <class T>
  void operator()(T* handle) const {
    destroy(handle);
  }
};
template <class Handle, auto destroy>
using Owner = std::unique_ptr<std::remove_pointer_t<Handle>, Destroy<destroy>>;
using Layout = Owner<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
using Operation = Owner<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;
using Preference = Owner<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>;

cudaDataType_t data_type(DType dtype) {
  switch (dtype) {
    case DType::Float32:
      return CUDA_R_32F;
    case DType::Float64:
      return CUDA_R_64F;
    case DType::BFloat16:
      return CUDA_R_16BF;
    default:
      fail("matmul: {} is not supported", name(dtype));
  }
}

// The largest power of two up to 256 that divides the address.
uint32_t alignment(const Tensor& tensor) {
  const auto address = reinterpret_cast<uintptr_t>(tensor.raw_data());
  uint32_t bytes = 256;
  while (address % bytes != 0) bytes /= 2;
  return bytes;
}

/// A row-major tensor as cuBLASLt sees it.
Layout layout(const Tensor& matrix) {
  cublasLtMatrixLayout_t raw = nullptr;
  const int64_t rows = matrix.size(0), columns = matrix.size(1);
  check(cublasLtMatrixLayoutCreate(&raw, data_type(matrix.dtype()), static_cast<uint64_t>(columns),
                                   static_cast<uint64_t>(rows), columns),
        "cublasLtMatrixLayoutCreate");
  return Layout(raw);
}

struct Problem {
  const Tensor &c, &a, &b;
  bool transpose_a, transpose_b;
  Tensor shift;  // in c's dtype, or undefined
  bool relu;

  std::vector<int64_t> key() const {
    return {c.size(0),
            c.size(1),
            a.size(transpose_a ? 0 : 1),
            static_cast<int64_t>(a.dtype()),
            static_cast<int64_t>(c.dtype()),
            transpose_a + 2 * transpose_b + 4 * shift.defined() + 8 * relu + 16 * allow_tf32(),
            alignment(a),
            alignment(b),
            alignment(c),
            shift.defined() ? alignment(shift) : 0,
            c.device().index};
  }
};

template <class T>
void set(const Operation& operation, cublasLtMatmulDescAttributes_t name, const T& value) {
  check(cublasLtMatmulDescSetAttribute(operation.get(), name, &value, sizeof value), "cublasLtMatmulDescSetAttribute");
}

template <class T>
void set(const Preference& preference, cublasLtMatmulPreferenceAttributes_t name, const T& value) {
  check(cublasLtMatmulPreferenceSetAttribute(preference.get(), name, &value, sizeof value),
        "cublasLtMatmulPreferenceSetAttribute");
}

Operation operation(const Problem& p) {
  const bool wide = p.a.dtype() == DType::Float64;
  const cublasComputeType_t compute = wide                                            ? CUBLAS_COMPUTE_64F
                                      : p.a.dtype() == DType::Float32 && allow_tf32() ? CUBLAS_COMPUTE_32F_FAST_TF32
                                                                                      : CUBLAS_COMPUTE_32F;
  cublasLtMatmulDesc_t raw = nullptr;
  check(cublasLtMatmulDescCreate(&raw, compute, wide ? CUDA_R_64F : CUDA_R_32F), "cublasLtMatmulDescCreate");
  Operation result(raw);
  set(result, CUBLASLT_MATMUL_DESC_TRANSA, p.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(result, CUBLASLT_MATMUL_DESC_TRANSB, p.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N);
  if (p.shift.defined()) {
    set(result, CUBLASLT_MATMUL_DESC_EPILOGUE, p.relu ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_BIAS);
    set(result, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, data_type(p.shift.dtype()));
    set(result, CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.shift.raw_data());
  } else {
    set(result, CUBLASLT_MATMUL_DESC_EPILOGUE, p.relu ? CUBLASLT_EPILOGUE_RELU : CUBLASLT_EPILOGUE_DEFAULT);
  }
  return result;
}

struct Plan {
  bool usable = false;
  cublasLtMatmulAlgo_t algorithm{};
  size_t workspace_bytes = 0;
};

// Never destroyed: at exit the library may be gone before it.
Recent<std::vector<int64_t>, Plan, NumbersHash>& plans() {
  static auto& cache = *new Recent<std::vector<int64_t>, Plan, NumbersHash>(kMaxPlans);
  return cache;
}

struct Layouts {
  Layout b, a, c;  // in cuBLASLt's order
};

Plan make_plan(const Problem& p, const Operation& operation, const Layouts& layouts, cublasLtHandle_t handle) {
  cublasLtMatmulPreference_t raw = nullptr;
  check(cublasLtMatmulPreferenceCreate(&raw), "cublasLtMatmulPreferenceCreate");
  const Preference preference(raw);
  set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kMaxWorkspace);
  // Partial sums of a split product stay in the compute type, and are added in a fixed order.
  set(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
      static_cast<uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment(p.b));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment(p.a));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment(p.c));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment(p.c));
  cublasLtMatmulHeuristicResult_t result{};
  int found = 0;
  const cublasStatus_t status =
      cublasLtMatmulAlgoGetHeuristic(handle, operation.get(), layouts.b.get(), layouts.a.get(), layouts.c.get(),
                                     layouts.c.get(), preference.get(), 1, &result, &found);
  if (status == CUBLAS_STATUS_NOT_SUPPORTED) return {};
  check(status, "cublasLtMatmulAlgoGetHeuristic");
  if (found == 0 || result.state != CUBLAS_STATUS_SUCCESS) return {};
  return {true, result.algo, result.workspaceSize};
}

bool by_cublaslt(const Problem& p) {
  const Device device = p.c.device();
  const DeviceGuard guard(device.index);
  const cublasLtHandle_t handle = cublaslt_handle(device.index);
  const Operation what = operation(p);
  const Layouts layouts{layout(p.b), layout(p.a), layout(p.c)};
  const std::vector<int64_t> key = p.key();
  auto plan = plans().find(key);
  if (!plan) plan = plans().put(key, make_plan(p, what, layouts, handle));
  if (!plan->usable) return false;
  Tensor workspace;
  if (plan->workspace_bytes > 0)
    workspace = empty({static_cast<int64_t>(plan->workspace_bytes)}, {DType::UInt8, {}, device});
  count(DeviceWork::LibraryCall);
  count(DeviceWork::WorkspaceBytes, static_cast<int64_t>(plan->workspace_bytes));
  const auto multiply = [&]<class Scalar>(Scalar one, Scalar zero) {
    check(cublasLtMatmul(handle, what.get(), &one, p.b.raw_data(), layouts.b.get(), p.a.raw_data(), layouts.a.get(),
                         &zero, p.c.raw_data(), layouts.c.get(), p.c.raw_data(), layouts.c.get(), &plan->algorithm,
                         workspace.defined() ? workspace.raw_data() : nullptr, plan->workspace_bytes,
                         compute_stream(device.index)),
          "cublasLtMatmul");
  };
  if (p.a.dtype() == DType::Float64) {
    multiply(1.0, 0.0);
  } else {
    multiply(1.0f, 0.0f);
  }
  return true;
}

}  // namespace

void matmul(const Tensor& c, const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b,
            const MatmulEpilogue& epilogue) {
  if (c.numel() == 0) return;
  const bool plain = !epilogue.shift.defined() && !epilogue.relu;
  if (a.numel() > 0) {
    // The epilogue is taken in the output's dtype; float64 has none.
    const bool fused = !plain && a.dtype() != DType::Float64;
    const Tensor shift = fused && epilogue.shift.defined() ? ops::to(epilogue.shift, c.dtype()) : Tensor();
    if (fused && by_cublaslt({c, a, b, transpose_a, transpose_b, shift, epilogue.relu})) return;
    if (by_cublaslt({c, a, b, transpose_a, transpose_b, {}, false})) {
      if (!plain) channel_affine(c, c, {}, epilogue.shift, {}, epilogue.relu);
      return;
    }
  }
  direct::matmul(c, a, b, transpose_a, transpose_b, epilogue);
}

}  // namespace bevgrad::cuda
