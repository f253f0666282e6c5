// What the processor computes in vectors, by rows or in several passes agrees with plain loops, at sizes that leave
// rests and in every layout.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "autograd/functions.h"
#include "autograd/gradcheck.h"
#include "support/devices.h"
#include "tensor/compare.h"
#include "tensor/extremes.h"
#include "tensor/random.h"

namespace bevgrad::testing {
namespace {

void expect_near(const Tensor& actual, const Tensor& expected, double tolerance, const std::string& what) {
  ASSERT_EQ(actual.sizes(), expected.sizes()) << what;
  const auto a = actual.to_vector(), e = expected.to_vector();
  for (size_t i = 0; i < a.size(); ++i)
    ASSERT_NEAR(a[i], e[i], tolerance * std::max(1.0, std::abs(e[i]))) << what << " at " << i;
}

// The result for a channels-last map and its gradient equal those for the same values in NCHW.
void expect_same_in_both_layouts(const char* what, const Shape& sizes, const std::function<Tensor(const Tensor&)>& f,
                                 double tolerance = 0) {
  Generator generator(5);
  const Tensor values = generator.normal(sizes);
  std::vector<Tensor> results;
  for (const MemoryFormat format : {MemoryFormat::Contiguous, MemoryFormat::ChannelsLast}) {
    const Tensor x = ops::clone(ops::contiguous(values, format));
    set_requires_grad(x, true);
    const Tensor y = f(x);
    Generator direction(6);
    backward(y, direction.normal(y.sizes()));
    results.push_back(detach(y));
    results.push_back(grad(x));
  }
  expect_near(results[2], results[0], tolerance, what);
  expect_near(results[3], results[1], tolerance, std::string(what) + ", gradient");
}

TEST(Elementary, VectorFunctionsAreExactToAFewUnits) {
  const auto check_function = [](const char* name, Tensor (*function)(const Tensor&), double (*exact)(double),
                                 const std::vector<double>& at, double units) {
    const Tensor x = from_values(at, {static_cast<int64_t>(at.size())}, {DType::Float32});
    const auto given = x.to_vector(), got = function(x).to_vector();
    for (size_t i = 0; i < given.size(); ++i) {
      const double expected = exact(given[i]);
      if (std::isnan(expected)) {
        EXPECT_TRUE(std::isnan(got[i])) << name << "(" << given[i] << ") is " << got[i];
      } else if (std::abs(expected) > std::numeric_limits<float>::max()) {
        EXPECT_EQ(got[i], std::copysign(INFINITY, expected)) << name << "(" << given[i] << ")";
      } else {
        const double unit = std::max(std::abs(expected) * std::ldexp(1.0, -23), 1e-44);
        EXPECT_NEAR(got[i], expected, units * unit) << name << "(" << given[i] << ")";
      }
    }
  };
  std::vector<double> at = {0.0, INFINITY, -INFINITY, NAN, 1e-30, -1e-30, 1e-7, -1e-7, 1, -1, -0.999999};
  for (double scale : {1e-3, 0.5, 3.0, 30.0, 90.0})
    for (int i = -200; i <= 200; ++i) at.push_back(scale * i / 200.0 + 1e-5);
  check_function("log1p", log1p, std::log1p, at, 4);
  check_function("expm1", expm1, std::expm1, at, 4);
  for (int i = 0; i < 400; ++i) {
    at.push_back(i * M_PI / 2);
    at.push_back(i * i * i * 137.03);  // beyond the reach of the short reduction too
  }
  at.push_back(3e38);
  check_function("sin", sin, std::sin, at, 2);
  check_function("cos", cos, std::cos, at, 2);
  EXPECT_TRUE(std::signbit(sin(from_values({-0.0}, {1}, {DType::Float32})).item()));
  EXPECT_TRUE(std::signbit(expm1(from_values({-0.0}, {1}, {DType::Float32})).item()));
}

TEST(Softmax, KeepsTheLogarithmBesideLargeValues) {
  for (const Device device : test_devices()) {
    SCOPED_TRACE(to_string(device));
    for (const DType dtype : {DType::Float32, DType::BFloat16, DType::Float64}) {
      const Tensor x = ops::to(from_values({1e30, 1e30, 3, 1e30, 1e30, -2}, {2, 3}, {dtype}), device);
      set_requires_grad(x, true);
      const Tensor y = log_softmax(x, 1);
      const auto values = y.to_vector();
      EXPECT_NEAR(values[0], -std::log(2), 4e-3);
      EXPECT_NEAR(values[4], -std::log(2), 4e-3);
      backward(y, ops::to(from_values({1, 0, 0, 0, 0, 0}, {2, 3}, {dtype}), device));
      EXPECT_NEAR(grad(x).to_vector()[0], 0.5, 4e-3);
      EXPECT_NEAR(grad(x).to_vector()[1], -0.5, 4e-3);
    }
  }
}

TEST(Softmax, ShortLinesAgreeWithLongOnes) {
  for (const int64_t classes : {2, 10, 31, 33}) {
    expect_same_in_both_layouts(
        "softmax", {2, classes, 9, 13}, [](const Tensor& x) { return softmax(x, 1); }, 1e-5);
    expect_same_in_both_layouts(
        "log_softmax", {2, classes, 9, 13}, [](const Tensor& x) { return log_softmax(x, 1); }, 1e-5);
  }
}

TEST(Div, AddsUpTermsThatCancelBeforeItRounds) {
  // The terms 1 + 2^-9 and -1 are one value in bfloat16.
  const Tensor a = from_values({1, 1, 1, 1}, {4}, {DType::BFloat16}), b = ones({1}, {DType::BFloat16});
  const Tensor dy = from_values({-1, 257.0 / 256 - 1, -1.0 / 512, 1}, {4}, {DType::BFloat16});
  set_requires_grad(b, true);
  backward(div(a, b), dy);
  EXPECT_EQ(grad(b).item(), -1.0 / 512);
  // 4 * 0.2617 - 4 * 0.2598 with divisor 3: each term has error 2^-9 of itself in bfloat16, more than their difference.
  const Tensor c = from_values({4, 4}, {2}, {DType::BFloat16}), d = full({1}, 3, {DType::BFloat16});
  set_requires_grad(d, true);
  const Tensor dz = from_values({0.26171875, -0.259765625}, {2}, {DType::BFloat16});
  backward(div(c, d), dz);
  EXPECT_NEAR(grad(d).item(), -4.0 / 9 * (0.26171875 - 0.259765625), 1e-5);
}

TEST(Extremes, AgreeWithALoop) {
  for (const DType dtype : {DType::Float32, DType::BFloat16, DType::Float64, DType::Int32, DType::UInt8}) {
    for (const Shape& sizes : {Shape{5, 300}, {300, 5}, {3, 70, 200}, {2, 7, 5, 6}}) {
      Generator generator(8);
      Tensor x = ops::to(generator.uniform(sizes, 0, 50), dtype);
      std::vector<double> values = x.to_vector();
      for (double& v : values) v = std::floor(v);  // so that some are equal
      if (is_floating_point(dtype)) values[values.size() / 3] = values[values.size() / 3 + 2] = NAN;
      x = from_values(values, sizes, {dtype});
      for (const bool channels_last : {false, true}) {
        if (channels_last && sizes.size() != 4) continue;
        const Tensor in = channels_last ? ops::contiguous(x, MemoryFormat::ChannelsLast) : x;
        for (int axis = 0; axis < x.dim(); ++axis) {
          const auto [most, most_at] = ops::max_with_index(in, axis);
          const auto [least, least_at] = ops::min_with_index(in, axis);
          const auto got = most.to_vector(), got_at = most_at.to_vector(), low = least.to_vector(),
                     low_at = least_at.to_vector();
          int64_t inner = 1;
          for (int d = axis + 1; d < x.dim(); ++d) inner *= x.size(d);
          const int64_t n = x.size(axis);
          for (size_t i = 0; i < got.size(); ++i) {
            const auto line = static_cast<int64_t>(i) / inner * n * inner + static_cast<int64_t>(i) % inner;
            int64_t highest = 0, lowest = 0;
            const auto at = [&](int64_t k) { return values[static_cast<size_t>(line + k * inner)]; };
            for (int64_t k = 1; k < n; ++k) {
              if (at(k) > at(highest) || (std::isnan(at(k)) && !std::isnan(at(highest)))) highest = k;
              if (at(k) < at(lowest) || (std::isnan(at(k)) && !std::isnan(at(lowest)))) lowest = k;
            }
            ASSERT_EQ(got_at[i], static_cast<double>(highest)) << name(dtype) << " axis " << axis << " line " << i;
            ASSERT_EQ(low_at[i], static_cast<double>(lowest)) << name(dtype) << " axis " << axis << " line " << i;
            ASSERT_TRUE(got[i] == at(highest) || (std::isnan(got[i]) && std::isnan(at(highest))));
            ASSERT_TRUE(low[i] == at(lowest) || (std::isnan(low[i]) && std::isnan(at(lowest))));
          }
        }
      }
    }
  }
}

TEST(Topk, IsTheBeginningOfAStableSort) {
  Generator generator(9);
  const Tensor x = ops::to(ops::to(generator.uniform({7, 100}, 0, 9), DType::Int32), DType::Float32);
  for (const bool largest : {false, true})
    for (const int64_t count : {0, 1, 10, 99, 100}) {
      const Tensor sorted = argsort(x, 1, largest);
      EXPECT_EQ(topk(x, count, 1, largest).indices.to_vector(), ops::narrow(sorted, 1, 0, count).to_vector());
    }
}

TEST(Indexing, RowsOfAMapAreMovedInEitherLayout) {
  const Tensor at = from_values({4, 0, 4, 2, 1, 4}, {6}, {DType::Int64});
  for (const int axis : {0, 1, 2, 3}) {
    expect_same_in_both_layouts(
        "index_select", {5, 6, 5, 7}, [&](const Tensor& x) { return index_select(x, axis, at); }, 1e-6);
    Shape sizes{5, 6, 5, 7};
    sizes[static_cast<size_t>(axis)] = 6;
    Generator generator(2);
    const Tensor source = generator.normal(sizes);
    expect_same_in_both_layouts(
        "index_add", {5, 6, 5, 7}, [&](const Tensor& x) { return index_add(x, axis, at, source); }, 1e-6);
    // The same by a loop over the index.
    const Tensor x = generator.normal({5, 6, 5, 7});
    Tensor expected = ops::clone(x);
    for (int64_t k = 0; k < 6; ++k) {
      const auto place = static_cast<int64_t>(at.to_vector()[static_cast<size_t>(k)]);
      ops::add_(ops::select(expected, axis, place), ops::select(source, axis, k));
    }
    expect_near(index_add(x, axis, at, source), expected, 1e-6, "index_add");
  }
  expect_same_in_both_layouts(
      "pad", {2, 3, 5, 7},
      [](const Tensor& x) {
        return pad(x, {2, 1, 3, 2}, PadMode::Reflect);
      },
      1e-6);
}

TEST(Norms, OfLongAndOddRowsPassTheGradientCheck) {
  GradcheckOptions options;
  options.most_elements = 30;
  Generator generator(4);
  const auto of = [&](const Shape& sizes) { return generator.normal(sizes, 0.3, 2, {DType::Float64}); };
  using Tensors = std::vector<Tensor>;
  const auto check_gradients = [&](const std::string& name, const std::function<Tensor(const Tensors&)>& f,
                                   const Tensors& inputs) { EXPECT_EQ(gradcheck(name, f, inputs, options), ""); };
  const auto layer = [](const Tensors& x) { return layer_norm(x[0], {37}, x[1], x[2]); };
  check_gradients("layer_norm", layer, {of({19, 37}), of({37}), of({37})});
  const auto plain = [](const Tensors& x) { return layer_norm(x[0], {37}); };
  check_gradients("layer_norm without weights", plain, {of({19, 37})});
  const auto rms = [](const Tensors& x) { return rms_norm(x[0], {37}, x[1]); };
  check_gradients("rms_norm", rms, {of({19, 37}), of({37})});
  const auto groups = [](const Tensors& x) { return group_norm(x[0], 3, x[1], x[2]); };
  check_gradients("group_norm", groups, {of({2, 6, 5, 7}), of({6}), of({6})});
  for (const Device device : test_devices()) {
    const Tensor map = ops::to(ops::contiguous(of({2, 6, 5, 7}), MemoryFormat::ChannelsLast), device);
    check_gradients("group_norm of a map", groups, {map, ops::to(of({6}), device), ops::to(of({6}), device)});
  }
}

TEST(Norms, OfMapsAgreeInBothLayouts) {
  Generator generator(4);
  const Tensor weight = generator.normal({6}), bias = generator.normal({6});
  expect_same_in_both_layouts(
      "group_norm", {2, 6, 11, 7}, [&](const Tensor& x) { return group_norm(x, 2, weight, bias); }, 2e-5);
  expect_same_in_both_layouts(
      "instance_norm", {2, 6, 11, 7}, [&](const Tensor& x) { return instance_norm(x, weight); }, 2e-5);
}

TEST(Norms, AreExactFarFromZero) {
  // 1e5 +- 0.5: in float32 the squares would leave nothing of the deviations.
  std::vector<double> values;
  for (int i = 0; i < 64; ++i) values.push_back(1e5 + (i % 2 ? 0.5 : -0.5));
  const auto y = layer_norm(from_values(values, {1, 64}, {DType::Float32}), {64}).to_vector();
  for (size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], i % 2 ? 1 : -1, 1e-4);
}

}  // namespace
}  // namespace bevgrad::testing
