// Golden files: tensors that a Python script wrote for the C++ tests to compare with (tests/golden/golden.py writes
// them), and the numbers that both sides make from a name, so that weights and inputs need not be stored.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "support/paths.h"
#include "tensor/ops.h"
#include "tensor/tensor.h"

namespace bevgrad::testing {

/// The tensors of tests/golden/<path>, float32, by name. Layout: a text line "name size size ...\n" and the elements in
/// row-major order, little-endian, one tensor after the other.
inline std::map<std::string, Tensor> load_golden(const std::string& path) {
  const std::string full = source_dir() + "/tests/golden/" + path;
  std::ifstream file(full, std::ios::binary);
  check(file.good(), "{}: cannot be opened", full);
  std::map<std::string, Tensor> result;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    words >> name;
    Shape sizes;
    for (int64_t size; words >> size;) sizes.push_back(size);
    Tensor tensor = empty(sizes);
    file.read(static_cast<char*>(tensor.raw_data()), static_cast<std::streamsize>(tensor.nbytes()));
    check(file.good(), "{}: truncated at {}", full, name);
    result[name] = tensor;
  }
  return result;
}

/// `count` numbers in [-1, 1) that depend on `name` alone (FNV-1a of the name, then SplitMix64), as golden.py's
/// numbers().
inline std::vector<double> golden_numbers(std::string_view name, int64_t count) {
  uint64_t seed = 0xcbf29ce484222325u;
  for (char c : name) seed = (seed ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  std::vector<double> values(static_cast<size_t>(count));
  for (double& value : values) {
    seed += 0x9e3779b97f4a7c15u;
    uint64_t z = seed;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    value = static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-52 - 1.0;
  }
  return values;
}

inline Tensor golden_tensor(std::string_view name, const Shape& sizes, double scale = 1.0, double shift = 0.0) {
  std::vector<double> values = golden_numbers(name, numel(sizes));
  for (double& value : values) value = value * scale + shift;
  return from_values(values, sizes);
}

/// Writes golden_tensor's weights and statistics into every entry of a state_dict, by the rules of golden.py's fill().
inline void golden_fill(const std::vector<std::pair<std::string, Tensor>>& state_dict) {
  for (const auto& [name, tensor] : state_dict) {
    if (!is_floating_point(tensor.dtype())) continue;
    double scale = 0.2, shift = 0.0;
    if (name.ends_with("running_var")) {
      scale = 0.25, shift = 1.0;
    } else if (name.ends_with("gamma")) {
      scale = 1.0;
    } else if (tensor.dim() == 1 && name.ends_with("weight")) {
      shift = 1.0;
    } else if (tensor.dim() > 1) {
      scale = std::sqrt(4.5 / static_cast<double>(tensor.numel() / tensor.size(0)));
    }
    const NoGradGuard no_grad;
    ops::copy_(tensor, golden_tensor(name, tensor.sizes(), scale, shift));
  }
}

/// Largest difference relative to the expected tensor's range (at least `least_range`); infinity where sizes differ or
/// a value is not finite.
inline double relative_error(const Tensor& actual, const Tensor& expected, double least_range = 1e-6) {
  if (!actual.defined() || actual.sizes() != expected.sizes()) return INFINITY;
  const std::vector<double> a = actual.to_vector(), b = expected.to_vector();
  double range = least_range, error = 0;
  if (!b.empty()) {
    const auto [low, high] = std::ranges::minmax(b);
    range = std::max({range, high - low, std::abs(high), std::abs(low)});
  }
  for (size_t i = 0; i < a.size(); ++i) {
    if (!std::isfinite(a[i])) return INFINITY;
    error = std::max(error, std::abs(a[i] - b[i]));
  }
  return error / range;
}

}  // namespace bevgrad::testing
