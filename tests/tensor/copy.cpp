// Copies and conversions between all layouts and dtypes.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tensor/ops.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

constexpr DType kAll[] = {DType::Float32, DType::Float64, DType::BFloat16, DType::Float16, DType::Int64,
                          DType::Int32,   DType::Int16,   DType::Int8,     DType::UInt8,   DType::Bool};

Tensor bytes(const Shape& sizes, DType dtype) {
  Tensor x = ops::to(ops::mul(Generator(4).uniform(sizes), 100.0), dtype);
  return x;
}

TEST(Copy, EveryPairOfLayouts) {
  // Sizes on both sides of the tile of a transposing copy.
  for (const Shape& sizes : {Shape{2, 3, 17, 33}, Shape{1, 40, 5, 7}, Shape{2, 16, 16, 16}, Shape{3, 1, 20, 1}}) {
    for (DType dtype : {DType::Float32, DType::UInt8, DType::BFloat16, DType::Float64}) {
      const Tensor x = bytes(sizes, dtype);
      for (const std::vector<int>& order :
           {std::vector{0, 1, 2, 3}, std::vector{0, 2, 3, 1}, std::vector{3, 1, 0, 2}, std::vector{2, 3, 1, 0}}) {
        Shape permuted;
        for (int d : order) permuted.push_back(sizes[d]);
        std::vector<int> inverse(4);
        for (int i = 0; i < 4; ++i) inverse[order[i]] = i;
        const Tensor target = ops::permute(empty(permuted, {dtype}), inverse);
        ops::copy_(target, x);
        EXPECT_EQ(target.to_vector(), x.to_vector());
        const Tensor back = empty(sizes, {dtype});
        ops::copy_(back, target);
        EXPECT_EQ(back.to_vector(), x.to_vector());
      }
    }
  }
}

TEST(Copy, EveryPairOfDtypes) {
  const Tensor source = from_values({0, 1, 2, 100, 5, 7}, {2, 3});
  for (DType from : kAll)
    for (DType to : kAll) {
      const Tensor x = ops::to(source, from);
      const Tensor y = ops::to(x, to);
      std::vector<double> expected = x.to_vector();
      if (to == DType::Bool)
        for (double& value : expected) value = value != 0;
      EXPECT_EQ(y.dtype(), to);
      EXPECT_EQ(y.to_vector(), expected) << name(from) << " to " << name(to);
      EXPECT_EQ(ops::to(ops::transpose(x, 0, 1), to).to_vector(), ops::transpose(y, 0, 1).to_vector());
    }
}

TEST(Copy, BFloat16RoundsToNearestEven) {
  const double ulp = 1.0 / 128;
  const Tensor x = from_values({1 + 0.5 * ulp, 1 + 1.5 * ulp, 1 + 0.51 * ulp, 3.4e38, -0.0, 1e-45,
                                std::numeric_limits<double>::infinity(), std::nan("")},
                               {8});
  const auto y = ops::to(x, DType::BFloat16).to_vector();
  EXPECT_EQ(y[0], 1);
  EXPECT_EQ(y[1], 1 + 2 * ulp);
  EXPECT_EQ(y[2], 1 + ulp);
  EXPECT_TRUE(std::isinf(y[3]));
  EXPECT_TRUE(std::signbit(y[4]));
  EXPECT_EQ(y[5], 0);
  EXPECT_TRUE(std::isinf(y[6]));
  EXPECT_TRUE(std::isnan(y[7]));
}

TEST(Copy, BroadcastsAndBumpsTheVersion) {
  const Tensor x = zeros({2, 3});
  const uint64_t version = x.storage()->version;
  ops::copy_(x, from_values({1, 2, 3}, {3}));
  EXPECT_EQ(x.to_vector(), (std::vector<double>{1, 2, 3, 1, 2, 3}));
  EXPECT_GT(x.storage()->version, version);
  EXPECT_THROW(ops::copy_(x, zeros({4})), Error);
  EXPECT_THROW(ops::copy_(zeros({3}), zeros({2, 3})), Error);
}

TEST(Copy, ContiguousIsTheSameWhereItCanBe) {
  const Tensor x = zeros({2, 3, 4, 5}, {DType::Float32, MemoryFormat::ChannelsLast});
  EXPECT_TRUE(ops::contiguous(x, MemoryFormat::ChannelsLast).is_same(x));
  EXPECT_TRUE(ops::to(x, DType::Float32).is_same(x));
  EXPECT_TRUE(ops::to(x, DType::BFloat16).is_contiguous(MemoryFormat::ChannelsLast));
  EXPECT_TRUE(ops::clone(x).is_contiguous(MemoryFormat::ChannelsLast));
  EXPECT_FALSE(ops::clone(x).storage() == x.storage());
}

TEST(Cat, RowsOfEveryLengthAxisAndLayout) {
  Generator generator(9);
  for (const MemoryFormat format : {MemoryFormat::Contiguous, MemoryFormat::ChannelsLast})
    for (const DType dtype : {DType::Float32, DType::BFloat16, DType::Int64, DType::UInt8})
      for (int axis = 0; axis < 4; ++axis)
        for (const int64_t last : {0, 1, 16, 33}) {
          std::vector<Tensor> parts;
          Shape sizes = {3, 17, 5, 20};
          for (const int64_t size : {int64_t{64}, last, int64_t{7}}) {
            sizes[axis] = size;
            parts.push_back(ops::contiguous(ops::to(generator.uniform(sizes, 0, 200), dtype), format));
          }
          sizes[axis] = 64 + last + 7;
          const uint64_t version = parts[0].storage()->version;
          const Tensor y = ops::cat(parts, axis);
          EXPECT_EQ(parts[0].storage()->version, version);
          ASSERT_EQ(y.sizes(), sizes);
          int64_t start = 0;
          for (const Tensor& part : parts) {
            const Tensor piece = ops::narrow(y, axis, start, part.size(axis));
            EXPECT_EQ(piece.to_vector(), part.to_vector()) << axis << " " << last;
            start += part.size(axis);
          }
          const Tensor flipped = ops::transpose(parts[0], 2, 3), beside = ops::contiguous(flipped);
          EXPECT_EQ(ops::cat({flipped, beside}, 1).to_vector(), ops::cat({beside, beside}, 1).to_vector());
        }
}

TEST(Cat, KeepsChannelsLast) {
  const Tensor a = Generator(1).uniform({2, 3, 4, 5}), b = Generator(2).uniform({2, 2, 4, 5});
  const Tensor expected = ops::cat({a, b}, 1);
  const Tensor y =
      ops::cat({ops::contiguous(a, MemoryFormat::ChannelsLast), ops::contiguous(b, MemoryFormat::ChannelsLast)}, 1);
  EXPECT_EQ(y.suggested_format(), MemoryFormat::ChannelsLast);
  EXPECT_TRUE(y.is_contiguous(MemoryFormat::ChannelsLast));
  EXPECT_EQ(y.to_vector(), expected.to_vector());
}

}  // namespace
}  // namespace bevgrad
