#include "engines.h"

#include <atomic>
#include <cstdlib>

namespace bevgrad::emulation {
namespace {

CudnnSupport support_at_start() {
  const char* text = std::getenv("BEVGRAD_EMULATED_CUDNN");
  const std::string name = text ? text : "";
  return name == "unfused" ? CudnnSupport::unfused : name == "none" ? CudnnSupport::none : CudnnSupport::all;
}

std::atomic<CudnnSupport> support{support_at_start()};
std::atomic<int64_t> questions{0};

}  // namespace

void set_cudnn_support(CudnnSupport value) {
  support = value;
}
int64_t cudnn_questions() {
  return questions;
}

namespace cudnn {
namespace {

bool has_shift(const Pattern& pattern) {
  for (const Step& step : pattern.steps)
    if (step.operand && step.operand->sizes != pattern.y.sizes) return true;
  return false;
}

// Every tensor in memory is of the type of the inputs.
bool is_uniform(const Pattern& pattern) {
  for (const Operand& operand : pattern.operands())
    if (operand.type != pattern.first_input().type) return false;
  return true;
}

}  // namespace

std::vector<cudnnBackendNumericalNote_t> notes(int engine) {
  switch (engine) {
    case kNondeterministic:
      return {CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC};
    case kDownConvert:
      return {CUDNN_NUMERICAL_NOTE_TENSOR_CORE, CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS};
    case kTensorCore:
      return {CUDNN_NUMERICAL_NOTE_TENSOR_CORE};
    default:
      return {};
  }
}

int64_t workspace(int engine, const Pattern& pattern) {
  switch (engine) {
    case kHuge:
      return int64_t{3} << 30;
    case kTensorCore:
      return pattern.output.count() * 4 + 512;
    case kFused:
      return pattern.weight.count() * 4 + 16;
    default:
      return 0;
  }
}

std::vector<int> candidates(const Pattern&, cudnnBackendHeurMode_t mode) {
  ++questions;
  if (mode == CUDNN_HEUR_MODE_FALLBACK) return {kFallback};
  return {kNondeterministic, kHuge, kElsewhere, kDownConvert, kTensorCore, kFused};
}

void check_graph_support(const Pattern& pattern) {
  require(support != CudnnSupport::none, CUDNN_STATUS_NOT_SUPPORTED, "nothing is supported, by request");
  require(support == CudnnSupport::all || pattern.steps.empty(), CUDNN_STATUS_NOT_SUPPORTED_GRAPH_PATTERN,
          "graphs of one operation only, by request");
  const cudnnDataType_t type = pattern.first_input().type;
  require((type == CUDNN_DATA_FLOAT || type == CUDNN_DATA_BFLOAT16) && pattern.second_input().type == type,
          CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE, "inputs of types {} and {}", static_cast<int>(type),
          static_cast<int>(pattern.second_input().type));
  require(pattern.output.type == type || pattern.output.type == CUDNN_DATA_FLOAT, CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE,
          "an output of type {}", static_cast<int>(pattern.output.type));
  // add of a tensor?, add of a vector?, ReLU? in this order
  int last = -1;
  for (const Step& step : pattern.steps) {
    const int rank = !step.operand ? 2 : step.operand->sizes == pattern.y.sizes ? 0 : 1;
    require(rank > last && (step.mode == CUDNN_POINTWISE_ADD || step.mode == CUDNN_POINTWISE_RELU_FWD),
            CUDNN_STATUS_NOT_SUPPORTED_GRAPH_PATTERN, "pointwise mode {} in place {} of the graph",
            static_cast<int>(step.mode), rank);
    last = rank;
  }
  if (!pattern.steps.empty())
    require(pattern.y.type == CUDNN_DATA_FLOAT, CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE,
            "intermediate tensors of another type than float");
}

void check_engine_support(int engine, const Pattern& pattern) {
  switch (engine) {
    case kElsewhere:
      refuse(CUDNN_STATUS_NOT_SUPPORTED_ARCH_MISMATCH, "the engine is for other devices");
    case kDownConvert:
      require(pattern.first_input().type == CUDNN_DATA_FLOAT, CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE,
              "there is nothing to convert");
      return;
    case kTensorCore:
      require(pattern.x.sizes[1] % 8 == 0 && pattern.y.sizes[1] % 8 == 0, CUDNN_STATUS_NOT_SUPPORTED_SHAPE,
              "{} and {} channels are no multiples of 8", pattern.x.sizes[1], pattern.y.sizes[1]);
      for (const Operand& operand : pattern.operands())
        require(operand.alignment >= 16, CUDNN_STATUS_NOT_SUPPORTED, "operand {} is aligned to {} bytes", operand.uid,
                operand.alignment);
      return;
    case kFused:
      require(pattern.steps.empty() || has_shift(pattern), CUDNN_STATUS_NOT_SUPPORTED_GRAPH_PATTERN,
              "pointwise operations without a vector to add");
      require(is_uniform(pattern), CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE, "tensors of different types");
      return;
    case kNondeterministic:
    case kFallback:
      require(pattern.steps.empty(), CUDNN_STATUS_NOT_SUPPORTED_GRAPH_PATTERN, "graphs of one operation only");
      require(is_uniform(pattern), CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE, "tensors of different types");
      return;
    default:
      return;
  }
}

}  // namespace cudnn
}  // namespace bevgrad::emulation
