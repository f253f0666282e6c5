#include "compute.h"

#include <atomic>
#include <bit>
#include <cmath>

#include "convolution.h"

namespace bevgrad::emulation {
namespace {

std::atomic<int64_t> runs[cudnn::kEngines];

}  // namespace

int64_t cudnn_runs(int engine) {
  return runs[engine];
}

namespace cudnn {
namespace {

float from_bfloat16(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

// To nearest, ties to even, `kept` bits of mantissa; NaN stays NaN.
float rounded(float value, int kept) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return value;
  const int dropped = 23 - kept;
  const uint32_t half = (1u << (dropped - 1)) - 1 + ((bits >> dropped) & 1u);
  return std::bit_cast<float>((bits + half) & ~((1u << dropped) - 1));
}

std::vector<float> load(const Operand& operand, const void* memory, int mantissa) {
  const auto count = static_cast<size_t>(operand.count());
  std::vector<float> values(count);
  const bool narrow = operand.type == CUDNN_DATA_BFLOAT16;
#pragma omp parallel for simd schedule(static) if (count > 65536)
  for (size_t i = 0; i < count; ++i) {
    const float value =
        narrow ? from_bfloat16(static_cast<const uint16_t*>(memory)[i]) : static_cast<const float*>(memory)[i];
    values[i] = mantissa < 23 ? rounded(value, mantissa) : value;
  }
  return values;
}

void store(const Operand& operand, void* memory, const std::vector<float>& values) {
  const bool narrow = operand.type == CUDNN_DATA_BFLOAT16;
#pragma omp parallel for simd schedule(static) if (values.size() > 65536)
  for (size_t i = 0; i < values.size(); ++i) {
    if (narrow) {
      const auto bits = std::bit_cast<uint32_t>(rounded(values[i], 7));
      static_cast<uint16_t*>(memory)[i] =
          static_cast<uint16_t>(std::isnan(values[i]) ? (bits >> 16) | 0x40u : bits >> 16);
    } else {
      static_cast<float*>(memory)[i] = values[i];
    }
  }
}

int mantissa_of_inputs(int engine, cudnnDataType_t type) {
  if (type != CUDNN_DATA_FLOAT) return 23;
  return engine == kTensorCore ? 10 : engine == kDownConvert ? 7 : 23;
}

void follow(const Step& step, const Job& job, std::vector<float>& values) {
  if (step.mode == CUDNN_POINTWISE_RELU_FWD) {
    for (float& value : values) value = value < 0 ? 0 : value;
    return;
  }
  const std::vector<float> operand = load(*step.operand, job.pointers.at(step.operand->uid), 23);
  for (size_t i = 0; i < values.size(); ++i) values[i] += operand[i % operand.size()];
}

}  // namespace

void compute(const Job& job) {
  ++runs[job.engine];
  const Pattern& p = job.pattern;
  // Scratch memory is used up to its last byte.
  if (job.workspace) std::memset(job.workspace, 0x5a, static_cast<size_t>(workspace(job.engine, p)));
  const int mantissa = mantissa_of_inputs(job.engine, p.first_input().type);
  const auto first = load(p.first_input(), job.pointers.at(p.first_input().uid), mantissa);
  const auto second = load(p.second_input(), job.pointers.at(p.second_input().uid), mantissa);
  std::vector<float> values = convolve(p, first, second);
  for (const Step& step : p.steps) follow(step, job, values);
  if (job.engine == kNondeterministic) {
    const float drift = 1.0f + 1e-6f * static_cast<float>(1 + runs[job.engine] % 7);
    for (float& value : values) value *= drift;
  }
  store(p.output, job.pointers.at(p.output.uid), values);
}

}  // namespace cudnn
}  // namespace bevgrad::emulation
