// Convolutions of bytes against sums in float64 over the same integers.
#include "tensor/integer_conv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "support/error_of.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

using ::testing::HasSubstr;

struct Problem {
  Shape input, weight;  // [N,C,H,W], [K,C/groups,kh,kw]
  ConvOptions options;
};

const std::vector<Problem> kProblems = {
    {{1, 3, 33, 47}, {16, 3, 7, 7}, {.stride = 2, .padding = 3}},
    {{2, 16, 12, 20}, {16, 16, 3, 3}, {.padding = 1}},
    {{1, 64, 14, 26}, {64, 64, 3, 3}, {.padding = 1}},
    {{1, 64, 14, 25}, {128, 64, 1, 1}, {.stride = 2}},
    {{1, 40, 9, 11}, {24, 40, 3, 3}, {.stride = 2, .padding = 1}},
    {{1, 5, 9, 7}, {3, 5, 2, 3}, {.stride = {2, 1}, .padding = {0, 1}}},
    {{1, 8, 15, 15}, {8, 8, 3, 3}, {.padding = 2, .dilation = 2}},
    {{1, 12, 8, 9}, {6, 4, 3, 3}, {.padding = 1, .groups = 3}},
    {{1, 32, 10, 10}, {32, 1, 3, 3}, {.padding = 1, .groups = 32}},
    {{1, 130, 6, 5}, {1, 130, 1, 1}, {}},
};

double at(const Tensor& x, int64_t n, int64_t c, int64_t h, int64_t w) {
  return ops::narrow(ops::narrow(ops::narrow(ops::narrow(x, 0, n, 1), 1, c, 1), 2, h, 1), 3, w, 1).item();
}

/// The weight as 127 steps to either side hold it.
std::vector<double> rounded_weight(const Tensor& weight) {
  std::vector<double> values = weight.to_vector();
  const size_t each = values.size() / static_cast<size_t>(weight.size(0));
  for (size_t first = 0; first < values.size(); first += each) {
    double largest = 0;
    for (size_t i = first; i < first + each; ++i) largest = std::max(largest, std::abs(values[i]));
    for (size_t i = first; i < first + each; ++i) values[i] = std::round(values[i] / (largest / 127)) * largest / 127;
  }
  return values;
}

/// The result in plain loops, [N,K,OH,OW] in row-major order, before residual and activation.
std::vector<double> by_loops(const Problem& p, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const std::vector<double> values = x.to_vector(), w = rounded_weight(weight), b = bias.to_vector();
  const ConvOptions& o = p.options;
  const int64_t in = p.weight[1], kh = p.weight[2], kw = p.weight[3], outputs = p.weight[0],
                per_group = outputs / o.groups;
  const int64_t oh = conv_size(p.input[2], kh, o.stride.h, o.padding.h, o.dilation.h),
                ow = conv_size(p.input[3], kw, o.stride.w, o.padding.w, o.dilation.w);
  std::vector<double> y;
  for (int64_t n = 0; n < p.input[0]; ++n)
    for (int64_t k = 0; k < outputs; ++k)
      for (int64_t row = 0; row < oh; ++row)
        for (int64_t column = 0; column < ow; ++column) {
          double sum = b[static_cast<size_t>(k)];
          for (int64_t c = 0; c < in; ++c)
            for (int64_t r = 0; r < kh; ++r)
              for (int64_t q = 0; q < kw; ++q) {
                const int64_t h = row * o.stride.h - o.padding.h + r * o.dilation.h,
                              v = column * o.stride.w - o.padding.w + q * o.dilation.w;
                if (h < 0 || v < 0 || h >= p.input[2] || v >= p.input[3]) continue;
                const int64_t channel = k / per_group * in + c;
                sum += values[static_cast<size_t>(((n * p.input[1] + channel) * p.input[2] + h) * p.input[3] + v)] *
                       w[static_cast<size_t>(((k * in + c) * kh + r) * kw + q)];
              }
          y.push_back(sum);
        }
  return y;
}

class IntegerConvTest : public ::testing::TestWithParam<size_t> {
 protected:
  void SetUp() override {
    if (!has_byte_products()) GTEST_SKIP() << "this processor has no products of bytes";
  }
};

TEST_P(IntegerConvTest, GivesTheSumsOfTheIntegers) {
  const Problem& p = kProblems[GetParam()];
  Generator generator(GetParam() + 1);
  const Tensor weight = generator.normal(p.weight), bias = generator.uniform({p.weight[0]}, -2, 2);
  const IntegerConv conv(weight, bias, p.options);
  for (const bool is_signed : {false, true}) {
    const ByteMap x = to_bytes(generator.uniform(p.input, -1.5, 1.5), 1.2, is_signed);
    const std::vector<double> plain = by_loops(p, from_bytes(x), weight, bias);
    const Tensor y = conv.forward(x, Tensor(), false);
    const double scale = 1 + std::abs(*std::ranges::max_element(plain, {}, [](double v) { return std::abs(v); }));
    const std::vector<double> got = y.to_vector();
    ASSERT_EQ(got.size(), plain.size());
    for (size_t i = 0; i < plain.size(); ++i) ASSERT_NEAR(got[i], plain[i], 2e-6 * scale) << i << " " << is_signed;

    const Tensor residual = generator.uniform(y.sizes(), -3, 3);
    const std::vector<double> added = residual.to_vector(), sums = conv.forward(x, residual, true).to_vector();
    for (size_t i = 0; i < plain.size(); ++i) ASSERT_NEAR(sums[i], std::max(0.0, plain[i] + added[i]), 3e-6 * scale);

    // In bytes, whose steps may be taken either way next to a tie.
    for (const bool residual_signed : {false, true}) {
      for (const bool output_signed : {false, true}) {
        const double limit = 0.6 * scale, step = byte_step(limit, output_signed);
        const ByteMap shortcut = to_bytes(residual, 2.5, residual_signed);
        const std::vector<double> summand = from_bytes(shortcut).to_vector();
        const ByteMap bytes = conv.forward(x, shortcut, !output_signed, limit, output_signed);
        const std::vector<double> values = from_bytes(bytes).to_vector();
        for (size_t i = 0; i < plain.size(); ++i)
          ASSERT_NEAR(values[i], std::clamp(plain[i] + summand[i], output_signed ? -limit : 0, limit),
                      0.5 * step + (output_signed ? step : 0) + 3e-6 * scale)
              << i << " " << residual_signed << output_signed;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, IntegerConvTest, ::testing::Range<size_t>(0, kProblems.size()));

TEST(IntegerConv, AChannelWhoseWeightsAreNothingKeepsItsBias) {
  const Tensor weight = zeros({2, 4, 1, 1}), bias = from_values({0.25, -3}, {2});
  weight.data<float>()[0] = 1e-38f;
  const IntegerConv conv(weight, bias, {});
  const ByteMap x = to_bytes(ones({1, 4, 2, 2}), 1, false);
  const std::vector<double> y = conv.forward(x, Tensor(), false).to_vector();
  for (size_t i = 0; i < 8; ++i) EXPECT_NEAR(y[i], i < 4 ? 0.25 : -3, 1e-5);
}

TEST(ToBytes, RoundsHalfToEvenAndClips) {
  const Tensor x = from_values({-3, -0.5, 0.5, 1.5, 2.5, 254.5, 255.5, 1e30}, {1, 8, 1, 1});
  EXPECT_EQ(to_bytes(x, 255, false).values.to_vector(), (std::vector<double>{0, 0, 0, 2, 2, 254, 255, 255}));
  EXPECT_EQ(to_bytes(x, 127, true).values.to_vector(), (std::vector<double>{-3, 0, 0, 2, 2, 127, 127, 127}));
  EXPECT_EQ(to_bytes(ops::to(x, DType::BFloat16), 255, false).values.to_vector()[3], 2);
}

TEST(ToBytes, WhatIsNotFiniteIsNeverHidden) {
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    const Tensor x = ones({1, 16, 100, 100});
    x.data<float>()[123'457] = static_cast<float>(bad);
    EXPECT_THAT(testing::error_of([&] { to_bytes(x, 2, false, "the input of fuser.0"); }),
                HasSubstr("the input of fuser.0 is not finite"));
  }
}

TEST(ByteMaps, MaximaAreThoseOfTheValues) {
  Generator generator(4);
  for (const bool is_signed : {false, true}) {
    const ByteMap x = to_bytes(generator.uniform({2, 24, 13, 10}, -1, 1), 1, is_signed);
    const ByteMap y = max_pool2d(x, 3, 2, 1);
    ASSERT_EQ(y.values.sizes(), (Shape{2, 24, 7, 5}));
    EXPECT_EQ(y.step, x.step);
    for (int64_t c = 0; c < 24; c += 7)
      for (int64_t row = 0; row < 7; ++row)
        for (int64_t column = 0; column < 5; ++column) {
          double largest = -1000;
          for (int64_t h = std::max<int64_t>(0, 2 * row - 1); h <= std::min<int64_t>(12, 2 * row + 1); ++h)
            for (int64_t w = std::max<int64_t>(0, 2 * column - 1); w <= std::min<int64_t>(9, 2 * column + 1); ++w)
              largest = std::max(largest, at(x.values, 1, c, h, w));
          EXPECT_EQ(at(y.values, 1, c, row, column), largest);
        }
  }
}

TEST(IntegerConv, WhatDoesNotFitIsNamed) {
  const IntegerConv conv(ones({2, 3, 3, 3}), {}, {});
  const auto bytes = [](const Shape& sizes) { return to_bytes(ones(sizes), 1, false); };
  EXPECT_THAT(testing::error_of([&] {
                conv.forward(bytes({1, 4, 5, 5}), Tensor(), false);
              }),
              HasSubstr("uint8 [1,4,5,5]"));
  EXPECT_THAT(testing::error_of([&] {
                conv.forward(bytes({1, 3, 2, 5}), Tensor(), false);
              }),
              HasSubstr("larger than input"));
  EXPECT_THAT(testing::error_of([&] {
                conv.forward(bytes({1, 3, 5, 5}), ones({1, 2, 3, 4}), false);
              }),
              HasSubstr("residual"));
  EXPECT_THAT(testing::error_of([&] { conv.forward({ones({1, 3, 5, 5}), 1}, Tensor(), false); }), HasSubstr("uint8"));
  EXPECT_THAT(testing::error_of([&] { to_bytes(ones({1, 1, 2, 2}), 0, false); }), HasSubstr("expected above 0"));
  EXPECT_EQ(conv.forward(bytes({0, 3, 5, 5}), Tensor(), true).sizes(), (Shape{0, 2, 3, 3}));
}

}  // namespace
}  // namespace bevgrad
