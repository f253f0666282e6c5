#include "tensor/read_scalars.h"

#include <algorithm>

#include "tensor/launch.h"

namespace bevgrad {
namespace {

struct GatherScalars {
  static constexpr size_t kMost = 128;
  double* out;
  const float* narrow[kMost];
  const double* wide[kMost];

  BEVGRAD_HD void operator()(int64_t i) const { out[i] = narrow[i] ? static_cast<double>(*narrow[i]) : *wide[i]; }
};

}  // namespace

std::vector<double> read_scalars(std::span<const Tensor> scalars) {
  std::vector<double> values;
  for (const Tensor& scalar : scalars)
    check(scalar.numel() == 1 && (scalar.dtype() == DType::Float32 || scalar.dtype() == DType::Float64) &&
              scalar.device() == scalars[0].device(),
          "read_scalars: {}, expected one float32 or float64 on {}", describe(scalar), to_string(scalars[0].device()));
  if (scalars.empty() || scalars[0].device().is_cpu()) {
    for (const Tensor& scalar : scalars) values.push_back(scalar.item());
    return values;
  }
  const auto count = static_cast<int64_t>(scalars.size());
  const Tensor gathered = empty({count}, {DType::Float64, {}, scalars[0].device()});
  for (size_t begin = 0; begin < scalars.size(); begin += GatherScalars::kMost) {
    const size_t end = std::min(scalars.size(), begin + GatherScalars::kMost);
    GatherScalars gather{gathered.data<double>() + begin, {}, {}};
    for (size_t i = begin; i < end; ++i) {
      if (scalars[i].dtype() == DType::Float32)
        gather.narrow[i - begin] = scalars[i].data<const float>();
      else
        gather.wide[i - begin] = scalars[i].data<const double>();
    }
    launch(gathered.device(), static_cast<int64_t>(end - begin), gather);
  }
  return gathered.to_vector();
}

}  // namespace bevgrad
