#include "losses/internal/raster_targets.h"

#include <map>
#include <mutex>
#include <utility>

#include "tensor/launch.h"

namespace bevgrad {

std::vector<double> weights_or_ones(const char* loss, const std::vector<double>& weights, int64_t classes) {
  if (weights.empty()) return std::vector<double>(static_cast<size_t>(classes), 1.0);
  check(static_cast<int64_t>(weights.size()) == classes, "{}: {} class weights were given for {} classes", loss,
        weights.size(), classes);
  return weights;
}

Tensor checked_targets(const char* loss, const Tensor& logits, const Tensor& targets) {
  check(logits.dim() == 4 && targets.sizes() == logits.sizes() && targets.dtype() == DType::UInt8,
        "{}: logits {} and targets {}, expected [N,C,H,W] and uint8 of the same shape", loss, describe(logits),
        describe(targets));
  const Tensor dense = ops::contiguous(targets, MemoryFormat::ChannelsLast);
  if (!logits.device().is_cpu()) return ops::to(dense, logits.device());
  const uint8_t* t = dense.data<uint8_t>();
  int wrong = 0;
#pragma omp parallel for simd reduction(| : wrong) if (dense.numel() > kParallelGrain)
  for (int64_t i = 0; i < dense.numel(); ++i) wrong |= is_wrong_label(t[i]);
  if (wrong) fail_on_labels(loss, dense);
  return dense;
}

void fail_on_labels(const char* loss, const Tensor& targets) {
  const Tensor labels = ops::to(targets, Device());
  const uint8_t* t = labels.data<uint8_t>();
  for (int64_t i = 0; i < labels.numel(); ++i)
    check(!is_wrong_label(t[i]), "{}: a label is {}, expected 0, 1 or {}", loss, t[i], kIgnoredTarget);
}

Tensor loss_value(double value, const Tensor& logits) {
  const DType dtype = logits.dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
  return scalar(value, {dtype, {}, logits.device()});
}

Tensor gradient_scale(const Tensor& dy, double normaliser) {
  return ops::div(ops::to(dy, DType::Float64), normaliser);
}

Tensor class_numbers(const std::vector<double>& numbers, Device device) {
  constexpr size_t kMost = 256;
  // Never destroyed: it holds tensors, whose allocator may go first.
  static auto& kept = *new std::map<std::pair<int, std::vector<double>>, Tensor>;
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  const std::pair<int, std::vector<double>> key{device.index, numbers};
  if (const auto found = kept.find(key); found != kept.end()) return found->second;
  const Tensor made = from_values(numbers, {static_cast<int64_t>(numbers.size())}, {DType::Float64, {}, device});
  // What is kept stays: a recording may read it.
  if (kept.size() < kMost) kept.emplace(key, made);
  return made;
}

}  // namespace bevgrad
