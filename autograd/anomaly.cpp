#include "autograd/anomaly.h"

#include <cmath>

#include "tensor/ops.h"

namespace bevgrad {
namespace {

thread_local bool on = false;
std::string (*path_source)() = nullptr;

bool is_bad(const Tensor& x) {
  return x.defined() && is_floating_point(x.dtype()) && x.dtype() != DType::Float16 && !ops::all_finite(x);
}

std::string in_module(const std::string& module) {
  return module.empty() ? "" : fmt::format(" in module {}", module);
}

// "3 of 12 values are no finite numbers, the first (nan) at [0,2]"
std::string found_in(const Tensor& x) {
  const std::vector<double> values = x.to_vector();
  int64_t count = 0, first = -1;
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    if (first < 0) first = static_cast<int64_t>(i);
    ++count;
  }
  Shape index(x.sizes().size());
  int64_t rest = first;
  for (int d = x.dim(); d-- > 0;) {
    index[d] = rest % x.size(d);
    rest /= x.size(d);
  }
  const std::string value = std::isnan(values[first]) ? "nan" : fmt::format("{}", values[first]);  // without a sign
  return fmt::format("{} of {} values are no finite numbers, the first ({}) at {}", count, values.size(), value,
                     to_string(index));
}

}  // namespace

AnomalyGuard::AnomalyGuard(bool wanted) : previous_(on) {
  on = wanted;
}
AnomalyGuard::~AnomalyGuard() {
  on = previous_;
}

namespace anomaly {

bool is_on() {
  return on;
}

void set_module_path(std::string (*path)()) {
  path_source = path;
}

std::string module_path() {
  return path_source ? path_source() : "";
}

void check_result(const char* op, const Tensor& result, const std::vector<Tensor>& inputs) {
  if (!is_bad(result)) return;
  for (size_t i = 0; i < inputs.size(); ++i)
    if (is_bad(inputs[i]))
      fail("anomaly: input {} of {}{}, {}, came with it: {}", i, op, in_module(module_path()), describe(inputs[i]),
           found_in(inputs[i]));
  fail("anomaly: the result of {}{}, {}: {}", op, in_module(module_path()), describe(result), found_in(result));
}

void check_gradients(const char* op, const std::string& module, const Tensor& dy,
                     const std::vector<Tensor>& gradients) {
  if (is_bad(dy))
    fail("anomaly: the backward pass of {}{} began with a gradient, {}, of which {}", op, in_module(module),
         describe(dy), found_in(dy));
  for (size_t i = 0; i < gradients.size(); ++i)
    if (is_bad(gradients[i]))
      fail("anomaly: backward of {}{}: the gradient of input {}, {}: {}", op, in_module(module), i,
           describe(gradients[i]), found_in(gradients[i]));
}

}  // namespace anomaly
}  // namespace bevgrad
