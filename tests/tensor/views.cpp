// Views share memory, whatever the strides.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tensor/ops.h"

namespace bevgrad {
namespace {

using ::testing::ElementsAre;

Tensor counting(const Shape& sizes, const TensorOptions& options = {}) {
  std::vector<double> values(static_cast<size_t>(numel(sizes)));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i);
  return from_values(values, sizes, options);
}

TEST(Views, ShareMemory) {
  const Tensor x = counting({2, 3, 4});
  for (const Tensor& view : {ops::view(x, {6, -1}), ops::permute(x, {2, 0, 1}), ops::narrow(x, 1, 1, 2),
                             ops::select(x, 0, 1), ops::unsqueeze(x, 0), ops::expand(x, {5, 2, 3, 4})})
    EXPECT_EQ(view.storage(), x.storage());
  ops::fill_(ops::select(ops::narrow(x, 2, 1, 2), 0, 1), -1);
  EXPECT_THAT(ops::select(x, 0, 1).to_vector(), ElementsAre(12, -1, -1, 15, 16, -1, -1, 19, 20, -1, -1, 23));
}

TEST(Views, OfViews) {
  const Tensor x = counting({4, 6});
  const Tensor slice = ops::narrow(ops::transpose(x, 0, 1), 0, 2, 3);  // [3, 4]
  EXPECT_THAT(slice.to_vector(), ElementsAre(2, 8, 14, 20, 3, 9, 15, 21, 4, 10, 16, 22));
  // A dimension can be split without a copy, two that do not follow each other cannot be merged.
  EXPECT_EQ(ops::view(slice, {3, 2, 2}).to_vector(), slice.to_vector());
  EXPECT_THROW(ops::view(slice, {12}), Error);
  EXPECT_EQ(ops::reshape(slice, {2, 6}).to_vector(), slice.to_vector());
  EXPECT_NE(ops::reshape(slice, {2, 6}).storage(), x.storage());
}

TEST(Views, ReshapeOfEveryLayout) {
  for (const Shape& sizes : {Shape{2, 3, 4, 5}, Shape{1, 3, 1, 5}, Shape{2, 1, 4, 1}, Shape{1, 1, 1, 1}})
    for (MemoryFormat format : {MemoryFormat::Contiguous, MemoryFormat::ChannelsLast}) {
      const Tensor x = counting(sizes, {DType::Float32, format});
      for (const Shape& to : {Shape{-1}, Shape{1, -1, 1}, Shape{sizes[0], -1}, Shape{-1, sizes[3]},
                              Shape{sizes[0] * sizes[1], sizes[2], sizes[3], 1}}) {
        const Tensor y = ops::reshape(x, to);
        EXPECT_EQ(y.to_vector(), x.to_vector()) << to_string(sizes) << to_string(to);
      }
    }
}

TEST(Views, Empty) {
  const Tensor x = zeros({2, 0, 3});
  EXPECT_EQ(ops::reshape(x, {0, 7}).sizes(), Shape({0, 7}));
  EXPECT_EQ(ops::permute(x, {2, 1, 0}).sizes(), Shape({3, 0, 2}));
  EXPECT_EQ(ops::narrow(x, 0, 2, 0).sizes(), Shape({0, 0, 3}));
  EXPECT_THROW(ops::reshape(x, {0, -1}), Error);
}

TEST(Views, MemoryFormats) {
  const Tensor x = counting({2, 3, 4, 5}, {DType::Float32, MemoryFormat::ChannelsLast});
  EXPECT_EQ(x.suggested_format(), MemoryFormat::ChannelsLast);
  EXPECT_EQ(ops::narrow(x, 1, 0, 2).suggested_format(), MemoryFormat::ChannelsLast);
  EXPECT_EQ(ops::narrow(x, 3, 1, 2).suggested_format(), MemoryFormat::ChannelsLast);
  EXPECT_EQ(counting({2, 3, 4, 5}).suggested_format(), MemoryFormat::Contiguous);
  EXPECT_EQ(ops::narrow(counting({2, 3, 4, 5}), 3, 1, 2).suggested_format(), MemoryFormat::Contiguous);
  EXPECT_EQ(ops::narrow(counting({2, 3, 4, 5}), 1, 1, 2).suggested_format(), MemoryFormat::Contiguous);
}

}  // namespace
}  // namespace bevgrad
