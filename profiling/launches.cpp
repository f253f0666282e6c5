// What a step asks of a GPU, counted.
#include <fmt/format.h>

#include "base/error.h"
#include "internal/synthetic_training.h"
#include "profiling/benches.h"
#include "tensor/allocator.h"
#include "tensor/device_counts.h"

namespace bevgrad {

std::vector<Figure> bench_launches(const configs::Document& document, const BenchOptions& options) {
  if (options.device.is_cpu())
    throw UsageError("bench launches: counts what a GPU is asked for, expected --device cuda");
  set_device_caching(true);
  SyntheticTraining training(document, options);
  // By then plans are found, blocks of memory are there and what can be recorded is.
  for (int i = 0; i < 3; ++i) training.step([] {});
  std::vector<DeviceCounts> laps = {device_counts()};
  training.step([&] { laps.push_back(device_counts()); });
  const std::vector<const char*> names = training.parts();
  std::vector<Figure> figures;
  for (int i = 0; i < kDeviceWorkKinds; ++i) {
    const auto kind = static_cast<DeviceWork>(i);
    std::string parts;
    for (size_t lap = 1; lap < laps.size(); ++lap)
      parts += fmt::format("{}{} {}", lap == 1 ? "" : ", ", names[lap - 1], (laps[lap] - laps[lap - 1])[kind]);
    figures.push_back({name(kind), static_cast<double>((laps.back() - laps.front())[kind]), "a step", 0, parts});
  }
  return figures;
}

}  // namespace bevgrad
