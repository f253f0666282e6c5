#include "autograd/functions/batch_norm.h"

#include "autograd/functions/shape.h"
#include "autograd/op_cases.h"

namespace bevgrad::testing {
namespace {

using Tensors = std::vector<Tensor>;

DType parameter_dtype(const Tensor& x) {
  return x.dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
}

// Rows of channels in logical order: index of element e is (e / inner) % channels.
Tensor plain_batch_norm(const Tensors& t, const BatchNormOptions& o, double running_mean, double running_var) {
  const Tensor& x = t[0];
  const int64_t channels = x.size(1);
  int64_t inner = 1;
  for (int d = 2; d < x.dim(); ++d) inner *= x.size(d);
  std::vector<double> values = x.to_vector(), y = values;
  const std::vector<double> gamma = t[1].to_vector(), beta = t[2].to_vector();
  const std::vector<double> residual = t.size() > 3 ? t[3].to_vector() : std::vector<double>(values.size());
  for (int64_t c = 0; c < channels; ++c) {
    double count = 0, sum = 0, square = 0, mean = running_mean, variance = running_var;
    auto for_each = [&](auto&& visit) {
      for (size_t e = 0; e < values.size(); ++e) {
        if (static_cast<int64_t>(e) / inner % channels != c) continue;
        const bool last = e + static_cast<size_t>(channels) >= values.size();
        visit(e, x.dim() == 2 && last ? static_cast<double>(o.last_row_count) : 1.0);
      }
    };
    if (o.training) {
      for_each([&](size_t e, double weight) { count += weight, sum += weight * values[e]; });
      mean = sum / count;
      for_each([&](size_t e, double weight) { square += weight * (values[e] - mean) * (values[e] - mean); });
      variance = square / count;
    }
    for_each([&](size_t e, double) {
      y[e] = (values[e] - mean) / std::sqrt(variance + o.eps) * gamma[c] + beta[c] + residual[e];
      if (o.relu && y[e] < 0) y[e] = 0;
    });
  }
  return from_values(y, x.sizes(), {DType::Float64});
}

OpCase norm_case(const std::string& variant, const Shape& x, BatchNormOptions o, bool residual) {
  constexpr double kMean = 0.3, kVariance = 1.7;
  OpCase row{.op = "batch_norm", .variant = variant, .inputs = {{x}, {{x[1]}, 0.5, 1.5}, {{x[1]}}}};
  if (residual) row.inputs.push_back({x});
  row.function = [o](const Tensors& t) {
    BatchNormOptions options = o;
    const DType dtype = parameter_dtype(t[0]);
    const int64_t channels = t[0].size(1);
    if (t.size() > 3) options.residual = t[3];
    const TensorOptions running{dtype, {}, t[0].device()};
    return batch_norm(t[0], to(t[1], dtype), to(t[2], dtype), full({channels}, kMean, running),
                      full({channels}, kVariance, running), options);
  };
  row.reference = [o](const Tensors& t) { return plain_batch_norm(t, o, kMean, kVariance); };
  row.bfloat16_tolerance = 0.08;
  return row;
}

}  // namespace

std::vector<OpCase> batch_norm_cases() {
  std::vector<OpCase> rows{
      norm_case("training", {2, 3, 3, 5}, {.training = true}, false),
      norm_case("training relu", {2, 3, 3, 5}, {.training = true, .relu = true}, false),
      norm_case("training residual relu", {2, 19, 3, 2}, {.training = true, .relu = true}, true),
      norm_case("training residual", {1, 4, 3, 2}, {.training = true}, true),
      norm_case("evaluation", {1, 3, 4, 5}, {.training = false}, false),
      norm_case("evaluation residual relu", {2, 17, 4, 1}, {.training = false, .relu = true}, true),
      norm_case("rows", {7, 5}, {.training = true, .eps = 1e-3, .relu = true}, false),
      norm_case("last row often", {7, 5}, {.training = true, .relu = true, .last_row_count = 9}, false),
      norm_case("last row never", {7, 5}, {.training = true, .last_row_count = 0}, false),
  };
  rows[0].empty = {{0, 3, 3, 5}, {3}, {3}};
  rows[4].empty = {{0, 3, 4, 5}, {3}, {3}};
  rows[6].empty = {{0, 5}, {5}, {5}};
  const Tensor three = ones({3});
  rows[0].errors = {
      {[=] {
         batch_norm(zeros({2, 4, 5, 5}), three, three, three, three);
       },
       "input [2,4,5,5] has 4 channels"},
      {[=] {
         batch_norm(zeros({1, 3, 1, 1}), three, three, three, three);
       },
       "has one value per channel"},
      {[=] { batch_norm(zeros({3}), three, three, three, three); }, "expected [N,C,H,W] or [M,C], got [3]"},
      {[=] {
         batch_norm(zeros({2, 3, 2, 2}), three, three, three, three, {.residual = zeros({2, 3, 2, 1})});
       },
       "residual float32 [2,3,2,1]"},
      {[=] {
         batch_norm(zeros({2, 3, 2, 2}), three, three, three, three, {.last_row_count = 2});
       },
       "last_row_count 2 needs a two-dimensional input"},
  };
  return rows;
}

}  // namespace bevgrad::testing
