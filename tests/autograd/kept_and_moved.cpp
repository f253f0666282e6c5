// Rules that keep less than their inputs, and values that are moved and not computed: exactly what is expected.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "autograd/functions.h"
#include "autograd/gradcheck.h"
#include "support/error_of.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

using testing::error_of;

TEST(Dropout, ItsGradientStaysWhereItsValuesDo) {
  for (const DType dtype : {DType::Float32, DType::Float64, DType::BFloat16, DType::Float16})
    for (const int64_t count : {0, 1, 31, 32, 33, 1000}) {
      const Tensor x = full({count}, 1, {dtype});
      Generator drawn(7), again(7);
      const Tensor unrecorded = dropout(x, 0.25, drawn);
      set_requires_grad(x, true);
      const Tensor y = dropout(x, 0.25, again);
      backward(y, full({count}, 1, {dtype}));
      EXPECT_EQ(detach(y).to_vector(), unrecorded.to_vector()) << count;
      EXPECT_EQ(grad(x).to_vector(), unrecorded.to_vector()) << count;
    }
}

TEST(Dropout, OfAViewThatIsNotDense) {
  const Tensor whole = Generator(2).uniform({9, 8}, 1, 2), x = ops::transpose(whole, 0, 1);
  Generator first(3), second(3);
  set_requires_grad(whole, true);
  const Tensor y = dropout(transpose(whole, 0, 1), 0.5, first);
  backward(y, detach(y));
  const NoGradGuard no_grad;
  const auto expected = dropout(x, 0.5, second).to_vector();
  EXPECT_EQ(detach(y).to_vector(), expected);
  const auto gradient = ops::contiguous(ops::transpose(grad(whole), 0, 1)).to_vector();
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(gradient[i], 2 * expected[i]) << i;
}

TEST(Gather, AnIndexOutsideIsNamedWhereverItStands) {
  const Tensor x = Generator(1).uniform({40, 7});
  for (const int64_t place : {0, 13, 40 * 5 - 1})
    for (const double bad : {7.0, -1.0, 1e15}) {
      std::vector<double> values(40 * 5, 6.0);
      values[static_cast<size_t>(place)] = bad;
      const Tensor index = from_values(values, {40, 5}, {DType::Int64});
      EXPECT_EQ(error_of([&] { gather(x, 1, index); }),
                fmt::format("gather: index {} is {}, expected 0 to 6", place, static_cast<int64_t>(bad)));
    }
  EXPECT_EQ(gather(zeros({2, 0}), 1, zeros({2, 0}, {DType::Int64})).numel(), 0);
  EXPECT_EQ(error_of([] {
              gather(zeros({2, 0}), 1, zeros({2, 1}, {DType::Int64}));
            }),
            "gather: index 0 is 0, expected 0 to -1");
}

// pad as reading at an index along one dimension after the other.
Tensor padded_by_index(Tensor x, const std::vector<int64_t>& widths, PadMode mode) {
  for (size_t i = 0; i < widths.size() / 2; ++i) {
    const int dim = x.dim() - 1 - static_cast<int>(i);
    const int64_t size = x.size(dim);
    std::vector<double> source;
    for (int64_t p = -widths[2 * i]; p < size + widths[2 * i + 1]; ++p)
      source.push_back(static_cast<double>(mode == PadMode::Replicate
                                               ? std::clamp<int64_t>(p, 0, size - 1)
                                               : (p < 0 ? -p : (p >= size ? 2 * size - 2 - p : p))));
    x = index_select(x, dim, from_values(source, {static_cast<int64_t>(source.size())}, {DType::Int64}));
  }
  return x;
}

TEST(Pad, BordersOfSeveralDimensionsAndTheirGradients) {
  struct Case {
    Shape sizes;
    std::vector<int64_t> widths;
  };
  const std::vector<Case> cases = {{{5}, {4, 3}},
                                   {{2, 3, 4, 5}, {1, 2, 3, 0}},
                                   {{2, 3, 4, 5}, {0, 0, 1, 1, 2, 1}},
                                   {{1, 2, 6, 3}, {2, 2, 5, 4}},
                                   {{3, 2}, {0, 1}},
                                   {{0, 2, 3}, {1, 1}},
                                   {{2, 3, 4}, {0, 0}}};
  Generator generator(6);
  for (const auto& [sizes, widths] : cases)
    for (const PadMode mode : {PadMode::Reflect, PadMode::Replicate})
      for (const MemoryFormat format : {MemoryFormat::Contiguous, MemoryFormat::ChannelsLast}) {
        if (format == MemoryFormat::ChannelsLast && sizes.size() != 4) continue;
        SCOPED_TRACE(to_string(sizes) + " " + to_string(widths));
        const Tensor a = ops::contiguous(generator.uniform(sizes, -1, 1, {DType::Float64}), format), b = ops::clone(a);
        set_requires_grad(a, true);
        set_requires_grad(b, true);
        const Tensor y = pad(a, widths, mode), expected = padded_by_index(mul(b, 1.0), widths, mode);
        ASSERT_EQ(y.sizes(), expected.sizes());
        EXPECT_EQ(detach(y).to_vector(), detach(expected).to_vector());
        const Tensor dy = generator.uniform(y.sizes(), -1, 1, {DType::Float64});
        backward(y, dy);
        backward(expected, dy);
        const auto got = grad(a).to_vector(), wanted = grad(b).to_vector();
        for (size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(got[i], wanted[i], 1e-12) << i;
      }
  const Tensor whole = ops::to(from_values({1, 2, 3}, {3}), DType::Int64);
  EXPECT_EQ(pad(whole, {1, 1}, PadMode::Reflect).to_vector(), (std::vector<double>{2, 1, 2, 3, 2}));
}

TEST(Norm, OfSeveralDimensionsViewsAndNothing) {
  Generator generator(8);
  const Tensor x = generator.uniform({3, 20, 6}, -1, 1, {DType::Float64});
  for (const std::vector<int>& dims : std::vector<std::vector<int>>{{}, {0}, {1}, {-1}, {0, 2}, {0, 1, 2}})
    for (const bool keep : {false, true}) {
      const Tensor expected = ops::sqrt(ops::sum(ops::mul(x, x), dims, keep)), y = norm(x, 2, dims, keep);
      ASSERT_EQ(y.sizes(), expected.sizes());
      const auto got = y.to_vector(), wanted = expected.to_vector();
      for (size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(got[i], wanted[i], 1e-13);
    }
  EXPECT_EQ(norm(zeros({2, 0}), 2, {1}).to_vector(), (std::vector<double>{0, 0}));
  // Of a zero vector the gradient is 0, and float16 is no bound on the squares.
  const Tensor zero = zeros({2, 4});
  set_requires_grad(zero, true);
  backward(sum(norm(zero, 2, {1})));
  EXPECT_EQ(grad(zero).to_vector(), std::vector<double>(8, 0.0));
  EXPECT_EQ(norm(full({4}, 1000, {DType::Float16}), 2).item(), 2000);
}

TEST(Prod, LongLinesAndOddOnesOfEveryStride) {
  Generator generator(9);
  for (const int64_t n : {1, 2, 15, 17, 33, 64, 129})
    for (const int dim : {0, 1}) {
      const Tensor x = generator.uniform(dim == 1 ? Shape{3, n} : Shape{n, 3}, 0.8, 1.25, {DType::Float64});
      const Tensor y = prod(x, dim);
      const auto values = ops::contiguous(dim == 1 ? x : ops::transpose(x, 0, 1)).to_vector();
      for (int64_t r = 0; r < 3; ++r) {
        double expected = 1;
        for (int64_t i = 0; i < n; ++i) expected *= values[r * n + i];
        EXPECT_NEAR(y.to_vector()[r], expected, 1e-12 * expected) << n;
      }
      EXPECT_EQ(gradcheck("prod", [dim](const std::vector<Tensor>& t) { return prod(t[0], dim); }, {x}), "");
    }
}

}  // namespace
}  // namespace bevgrad
