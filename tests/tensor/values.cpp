// Tensors of regular values, comparisons and text.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

#include "tensor/compare.h"
#include "tensor/device_copies.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Creation, RegularValues) {
  EXPECT_THAT(arange(4).to_vector(), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(arange(1, 2, 0.25).to_vector(), ElementsAre(1, 1.25, 1.5, 1.75));
  EXPECT_THAT(arange(3, 0, -1, {DType::Int64}).to_vector(), ElementsAre(3, 2, 1));
  EXPECT_EQ(arange(3, 3).sizes(), Shape{0});
  EXPECT_THAT(error_of([] { arange(1, 0); }), HasSubstr("arange: from 1 to 0 by 1 leads nowhere"));
  EXPECT_THAT(linspace(0, 1, 5).to_vector(), ElementsAre(0, 0.25, 0.5, 0.75, 1));
  EXPECT_THAT(linspace(2, 3, 1).to_vector(), ElementsAre(2));
  EXPECT_THAT(eye(2).to_vector(), ElementsAre(1, 0, 0, 1));
  EXPECT_THAT(eye(2, 3).to_vector(), ElementsAre(1, 0, 0, 0, 1, 0));
  EXPECT_THAT(eye(3, 2).to_vector(), ElementsAre(1, 0, 0, 1, 0, 0));
  const Tensor like = zeros({2, 3}, {DType::Float64});
  EXPECT_EQ(full_like(like, 2.5).to_vector(), std::vector<double>(6, 2.5));
  EXPECT_EQ(ones_like(like).dtype(), DType::Float64);
  const Tensor labels = from_values({1, 0, 2}, {3}, {DType::Int64});
  EXPECT_THAT(one_hot(labels).to_vector(), ElementsAre(0, 1, 0, 1, 0, 0, 0, 0, 1));
  EXPECT_EQ(one_hot(labels, 5).sizes(), (Shape{3, 5}));
  EXPECT_THAT(error_of([&] { one_hot(labels, 2); }), HasSubstr("one_hot: label 2 is 2, expected 0 to 1"));
}

TEST(Compare, EveryRelationAndDtype) {
  for (const DType dtype :
       {DType::Float32, DType::Float64, DType::BFloat16, DType::Int64, DType::Int32, DType::UInt8}) {
    const Tensor a = from_values({1, 2, 3}, {3}, {dtype}), b = from_values({2, 2, 2}, {3}, {dtype});
    EXPECT_THAT(eq(a, b).to_vector(), ElementsAre(0, 1, 0)) << name(dtype);
    EXPECT_THAT(ne(a, b).to_vector(), ElementsAre(1, 0, 1));
    EXPECT_THAT(lt(a, b).to_vector(), ElementsAre(1, 0, 0));
    EXPECT_THAT(le(a, b).to_vector(), ElementsAre(1, 1, 0));
    EXPECT_THAT(gt(a, b).to_vector(), ElementsAre(0, 0, 1));
    EXPECT_THAT(ge(a, 2.0).to_vector(), ElementsAre(0, 1, 1));
    EXPECT_THAT(gt(a, 2.0).to_vector(), ElementsAre(0, 0, 1));
    EXPECT_EQ(eq(a, b).dtype(), DType::Bool);
  }
  const Tensor column = from_values({1, 3}, {2, 1}), row = from_values({2, 3}, {2});
  EXPECT_THAT(lt(column, row).to_vector(), ElementsAre(1, 1, 0, 0));
  EXPECT_THAT(isnan(from_values({1, std::nan("")}, {2})).to_vector(), ElementsAre(0, 1));
  EXPECT_THAT(error_of([] { eq(zeros({2}), zeros({2}, {DType::Int64})); }), HasSubstr("eq: inputs are float32 [2]"));
}

TEST(Compare, Bools) {
  const Tensor a = from_values({1, 1, 0, 0}, {4}, {DType::Bool}), b = from_values({1, 0, 1, 0}, {4}, {DType::Bool});
  EXPECT_THAT(logical_and(a, b).to_vector(), ElementsAre(1, 0, 0, 0));
  EXPECT_THAT(logical_or(a, b).to_vector(), ElementsAre(1, 1, 1, 0));
  EXPECT_THAT(logical_not(a).to_vector(), ElementsAre(0, 0, 1, 1));
  EXPECT_TRUE(any(a));
  EXPECT_FALSE(all(a));
  EXPECT_TRUE(all(logical_or(a, logical_not(a))));
  EXPECT_THAT(error_of([] { any(zeros({2})); }), HasSubstr("any: the input is float32 [2] on cpu, expected bool"));
}

TEST(Compare, Places) {
  const double nan = std::nan("");
  const Tensor x = from_values({3, 1, 3, 2, nan, 0}, {2, 3});
  EXPECT_THAT(argmax(x, 1).to_vector(), ElementsAre(0, 1));
  EXPECT_THAT(argmin(x, 1, true).to_vector(), ElementsAre(1, 1));
  EXPECT_THAT(argsort(x, 1).to_vector(), ElementsAre(1, 0, 2, 2, 0, 1));
  EXPECT_THAT(argsort(x, 1, true).to_vector(), ElementsAre(0, 2, 1, 1, 0, 2));
  EXPECT_THAT(argsort(x, 0).to_vector(), ElementsAre(1, 0, 1, 0, 1, 0));
  EXPECT_EQ(argsort(scalar(3)).item(), 0);
}

TEST(Print, AlignsAndShortens) {
  EXPECT_EQ(to_string(from_values({1, -2.5, 10, 0.001}, {2, 2})),
            "[[    1,  -2.5],\n [   10, 0.001]] float32 [2,2] on cpu");
  EXPECT_EQ(to_string(from_values({1, 0}, {2}, {DType::Bool})), "[ true, false] bool [2] on cpu");
  EXPECT_EQ(to_string(arange(10, {DType::Int64})), "[0, 1, 2, ..., 7, 8, 9] int64 [10] on cpu");
  EXPECT_EQ(to_string(arange(5), 3), "[0, 1, ..., 4] float32 [5] on cpu");
  EXPECT_EQ(to_string(scalar(3)), "3 float32 [] on cpu");
  EXPECT_EQ(to_string(zeros({0, 2})), "[] float32 [0,2] on cpu");
  EXPECT_EQ(to_string(Tensor()), "an undefined tensor");
  std::ostringstream text;
  text << ops::transpose(from_values({1, 2, 3, 4}, {2, 2}), 0, 1);
  EXPECT_EQ(text.str(), "[[1, 3],\n [2, 4]] float32 [2,2] on cpu");
  EXPECT_THAT(to_string(zeros({2, 2, 1})), HasSubstr("[[[0],\n  [0]],\n\n [[0],\n  [0]]]"));
}

TEST(EmptyPinned, IsMarkedAndChecked) {
  EXPECT_TRUE(empty_pinned({4}).storage()->pinned);
  EXPECT_THAT(error_of([] { empty_pinned({int64_t{1} << 62}, {DType::Float64}); }), HasSubstr("is too large"));
}

}  // namespace
}  // namespace bevgrad
