// The calls themselves. An argument that is wrong, not merely unsupported, ends the test.
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <unordered_set>

#include <fmt/format.h>

#include "emulation/cublaslt.h"
#include "emulation/operation.h"
#include "problem.h"

namespace bevgrad::emulation {
namespace {

CublasltSupport support_at_start() {
  const char* text = std::getenv("BEVGRAD_EMULATED_CUBLASLT");
  const std::string name = text ? text : "";
  return name == "unfused" ? CublasltSupport::unfused : name == "none" ? CublasltSupport::none : CublasltSupport::all;
}

std::atomic<CublasltSupport> support{support_at_start()};

// Everything that was created and not destroyed.
struct Living {
  std::mutex mutex;
  std::unordered_set<const void*> objects;
};

Living& living() {
  static Living& instance = *new Living;
  return instance;
}

template <class T>
void create(T** out, T value) {
  *out = new T(value);
  std::lock_guard lock(living().mutex);
  living().objects.insert(*out);
}

void check_living(const void* object, const char* call) {
  std::lock_guard lock(living().mutex);
  if (!living().objects.count(object)) fault(fmt::format("{}: not an object of cuBLASLt, or destroyed before", call));
}

template <class T>
cublasStatus_t destroy(T* object, const char* call) {
  check_living(object, call);
  std::lock_guard lock(living().mutex);
  living().objects.erase(object);
  delete object;
  return CUBLAS_STATUS_SUCCESS;
}

template <class T>
void read(T& to, const void* value, size_t bytes, const char* call) {
  if (bytes != sizeof to) fault(fmt::format("{}: an attribute of {} bytes is set with {}", call, sizeof to, bytes));
  std::memcpy(&to, value, sizeof to);
}

// What an algorithm remembers of the problem that it was found for.
struct Algorithm {
  uint64_t mark;
  uint64_t workspace;
  uint32_t alignment[4];
  uint64_t shape;
};
static_assert(sizeof(Algorithm) <= sizeof(cublasLtMatmulAlgo_t));
constexpr uint64_t kMark = 0x6265766772616421u;

uint64_t shape_of(const cublaslt::Problem& p) {
  uint64_t hash = static_cast<uint64_t>(p.desc.epilogue);
  for (int64_t part : {p.d.rows, p.d.columns, p.inner(), static_cast<int64_t>(p.a.type), static_cast<int64_t>(p.d.type),
                       static_cast<int64_t>(p.desc.transpose_a), static_cast<int64_t>(p.desc.transpose_b),
                       static_cast<int64_t>(p.desc.compute)})
    hash = hash * 0x100000001b3u + static_cast<uint64_t>(part);
  return hash;
}

void check_pointer(const char* name, const void* pointer, size_t bytes, uint32_t alignment, int device) {
  if (device_of(pointer) != device) fault(fmt::format("cublasLtMatmul: {} does not lie on device {}", name, device));
  if (bytes_behind(pointer) < bytes)
    fault(fmt::format("cublasLtMatmul: {} has {} bytes, {} behind its pointer", name, bytes, bytes_behind(pointer)));
  if (reinterpret_cast<uintptr_t>(pointer) % alignment != 0)
    fault(fmt::format("cublasLtMatmul: {} is not aligned to the {} bytes that the algorithm was found for", name,
                      alignment));
}

}  // namespace

void set_cublaslt_support(CublasltSupport value) {
  support = value;
}

}  // namespace bevgrad::emulation

using namespace bevgrad::emulation;

size_t cublasLtGetVersion() {
  return 130100;
}

const char* cublasLtGetStatusName(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
    default:
      return "CUBLAS_STATUS_INTERNAL_ERROR";
  }
}

const char* cublasLtGetStatusString(cublasStatus_t status) {
  return cublasLtGetStatusName(status);
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  int device = -1;
  if (cudaGetDevice(&device) != cudaSuccess) return CUBLAS_STATUS_NOT_INITIALIZED;
  create(handle, cublasLtContext{device});
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  return destroy(handle, "cublasLtDestroy");
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType_t type, uint64_t rows,
                                          uint64_t columns, int64_t leading_dimension) {
  create(layout, {type, static_cast<int64_t>(rows), static_cast<int64_t>(columns), leading_dimension});
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  return destroy(layout, "cublasLtMatrixLayoutDestroy");
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* desc, cublasComputeType_t compute, cudaDataType_t scale) {
  create(desc, cublasLtMatmulDescOpaque_t{compute, scale});
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t name,
                                              const void* value, size_t bytes) {
  constexpr const char* call = "cublasLtMatmulDescSetAttribute";
  check_living(desc, call);
  switch (name) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
      read(desc->transpose_a, value, bytes, call);
      break;
    case CUBLASLT_MATMUL_DESC_TRANSB:
      read(desc->transpose_b, value, bytes, call);
      break;
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      read(desc->epilogue, value, bytes, call);
      break;
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      read(desc->bias, value, bytes, call);
      break;
    case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE:
      read(desc->bias_type, value, bytes, call);
      break;
  }
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc) {
  return destroy(desc, "cublasLtMatmulDescDestroy");
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  create(preference, cublasLtMatmulPreferenceOpaque_t{});
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t name, const void* value,
                                                    size_t bytes) {
  constexpr const char* call = "cublasLtMatmulPreferenceSetAttribute";
  check_living(preference, call);
  if (name == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES) {
    read(preference->max_workspace, value, bytes, call);
  } else if (name == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK) {
    read(preference->reduction_schemes, value, bytes, call);
  } else {
    read(preference->alignment[name - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], value, bytes, call);
  }
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  return destroy(preference, "cublasLtMatmulPreferenceDestroy");
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int wanted,
                                              cublasLtMatmulHeuristicResult_t results[], int* found) {
  constexpr const char* call = "cublasLtMatmulAlgoGetHeuristic";
  for (const void* object : std::initializer_list<const void*>{handle, desc, a, b, c, d, preference})
    check_living(object, call);
  *found = 0;
  const cublaslt::Problem problem{*desc, *a, *b, *d};
  std::string reason;
  const cublasStatus_t status = cublaslt::check(problem, *c, reason);
  if (status == CUBLAS_STATUS_INVALID_VALUE) fault(fmt::format("{}: {}", call, reason));
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  if (support == CublasltSupport::none ||
      (support == CublasltSupport::unfused && desc->epilogue != CUBLASLT_EPILOGUE_DEFAULT) || wanted < 1)
    return CUBLAS_STATUS_NOT_SUPPORTED;
  Algorithm algorithm{kMark, 0, {}, shape_of(problem)};
  std::memcpy(algorithm.alignment, preference->alignment, sizeof algorithm.alignment);
  // A product that is split along its inner dimension keeps partial sums.
  const auto partial = static_cast<uint64_t>(d->rows * d->columns) * 8;
  if (problem.inner() > 64 && partial <= preference->max_workspace) algorithm.workspace = partial;
  results[0] = {};
  std::memcpy(&results[0].algo, &algorithm, sizeof algorithm);
  results[0].workspaceSize = algorithm.workspace;
  results[0].state = CUBLAS_STATUS_SUCCESS;
  *found = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void* alpha, const void* a,
                              cublasLtMatrixLayout_t layout_a, const void* b, cublasLtMatrixLayout_t layout_b,
                              const void* beta, const void* c, cublasLtMatrixLayout_t layout_c, void* d,
                              cublasLtMatrixLayout_t layout_d, const cublasLtMatmulAlgo_t* algorithm, void* workspace,
                              size_t workspace_bytes, cudaStream_t stream) {
  constexpr const char* call = "cublasLtMatmul";
  for (const void* object : std::initializer_list<const void*>{handle, desc, layout_a, layout_b, layout_c, layout_d})
    check_living(object, call);
  const cublaslt::Problem problem{*desc, *layout_a, *layout_b, *layout_d};
  std::string reason;
  const cublasStatus_t status = cublaslt::check(problem, *layout_c, reason);
  if (status != CUBLAS_STATUS_SUCCESS) fault(fmt::format("{}: {}", call, reason));
  const bool wide = desc->scale == CUDA_R_64F;
  const double one = wide ? *static_cast<const double*>(alpha) : *static_cast<const float*>(alpha);
  const double zero = wide ? *static_cast<const double*>(beta) : *static_cast<const float*>(beta);
  if (one != 1 || zero != 0) fault(fmt::format("{}: alpha {} and beta {} are not in the stand-in", call, one, zero));
  if (c != d) fault(fmt::format("{}: c and d are not the same memory, which the stand-in asks for", call));

  int current = -1;
  cudaGetDevice(&current);
  if (current != handle->device || device_of(stream) != handle->device)
    fault(fmt::format("{}: the handle is of device {}, the stream of {}, device {} is current", call, handle->device,
                      device_of(stream), current));
  Algorithm chosen;
  std::memcpy(&chosen, algorithm, sizeof chosen);
  if (chosen.mark != kMark || chosen.shape != shape_of(problem))
    fault(fmt::format("{}: the algorithm was found for another problem", call));
  if (workspace_bytes < chosen.workspace)
    fault(fmt::format("{}: the algorithm needs a workspace of {} bytes, it gets {}", call, chosen.workspace,
                      workspace_bytes));
  check_pointer("a", a, cublaslt::extent(*layout_a), chosen.alignment[0], current);
  check_pointer("b", b, cublaslt::extent(*layout_b), chosen.alignment[1], current);
  check_pointer("d", d, cublaslt::extent(*layout_d), chosen.alignment[3], current);
  Operation operation{call,
                      {{a, cublaslt::extent(*layout_a), Mode::read},
                       {b, cublaslt::extent(*layout_b), Mode::read},
                       {d, cublaslt::extent(*layout_d), Mode::write}},
                      {},
                      {}};
  if (problem.has_bias()) {
    const size_t bytes = static_cast<size_t>(layout_d->rows) * cublaslt::size_of(problem.bias_type());
    check_pointer("the bias", desc->bias, bytes, static_cast<uint32_t>(cublaslt::size_of(problem.bias_type())),
                  current);
    operation.accesses.push_back({desc->bias, bytes, Mode::read});
  }
  if (chosen.workspace > 0) {
    check_pointer("the workspace", workspace, chosen.workspace, 256, current);
    operation.accesses.push_back({workspace, chosen.workspace, Mode::write});
  }
  operation.run = [problem, pointers = cublaslt::Pointers{a, b, desc->bias, d}, workspace, bytes = chosen.workspace] {
    if (bytes > 0) std::memset(workspace, 0x5a, bytes);  // scratch memory is used up to its last byte
    cublaslt::compute(problem, pointers);
  };
  return enqueue(stream, std::move(operation)) == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}
