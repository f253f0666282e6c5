// Integers, bools and float16 in arithmetic.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/devices.h"
#include "support/error_of.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;

Tensor of(const std::vector<double>& values, DType dtype, Device device = {}) {
  return ops::to(from_values(values, {static_cast<int64_t>(values.size())}, {dtype}), device);
}

TEST(Integers, KeepTheirTypeAndWrapAround) {
  for (const Device device : test_devices())
    for (const DType dtype : {DType::Int64, DType::Int32, DType::Int16, DType::Int8}) {
      const Tensor a = of({7, -3, 100}, dtype, device), b = of({2, 5, 100}, dtype, device);
      EXPECT_EQ(ops::add(a, b).dtype(), dtype);
      EXPECT_THAT(ops::sub(a, b).to_vector(), ElementsAre(5, -8, 0));
      EXPECT_THAT(ops::neg(a).to_vector(), ElementsAre(-7, 3, -100));
      EXPECT_THAT(ops::abs(a).to_vector(), ElementsAre(7, 3, 100));
      EXPECT_THAT(ops::mul(a, 2).to_vector(), ElementsAre(14, -6, dtype == DType::Int8 ? -56 : 200));
      EXPECT_THAT(ops::add(a, b).to_vector(), ElementsAre(9, 2, dtype == DType::Int8 ? -56 : 200));
      EXPECT_EQ(ops::sum(a).dtype(), DType::Int64);
      EXPECT_EQ(ops::sum(a).item(), 104);
      // Broadcast and strided.
      const Tensor table = ops::mul(ops::unsqueeze(a, 1), ops::unsqueeze(b, 0));
      EXPECT_THAT(ops::sum(ops::transpose(table, 0, 1), {0}).to_vector(),
                  dtype == DType::Int8 ? ElementsAre(-19, -65, -52) : ElementsAre(749, -321, 10700));
    }
  const Tensor bytes = of({250, 3}, DType::UInt8);
  EXPECT_THAT(ops::add(bytes, of({10, 4}, DType::UInt8)).to_vector(), ElementsAre(4, 7));
  EXPECT_THAT(ops::sub(of({0}, DType::UInt8), of({1}, DType::UInt8)).to_vector(), ElementsAre(255));
  const Tensor most = full({1}, 0, {DType::Int64});
  most.data<int64_t>()[0] = INT64_MAX;
  EXPECT_EQ(ops::add(most, 1).data<const int64_t>()[0], INT64_MIN);
  EXPECT_EQ(ops::mul(most, most).data<const int64_t>()[0], 1);
}

TEST(Integers, BoolsAreLogic) {
  const Tensor a = of({0, 1, 1, 0}, DType::Bool), b = of({1, 0, 1, 0}, DType::Bool);
  EXPECT_EQ(ops::add(a, b).dtype(), DType::Bool);
  EXPECT_THAT(ops::add(a, b).to_vector(), ElementsAre(1, 1, 1, 0));
  EXPECT_THAT(ops::mul(a, b).to_vector(), ElementsAre(0, 0, 1, 0));
  EXPECT_EQ(ops::sum(a).item(), 2);
  EXPECT_EQ(ops::add(a, 1).dtype(), DType::Int64);
  EXPECT_THAT(ops::add(a, 1).to_vector(), ElementsAre(1, 2, 2, 1));
  EXPECT_THAT(error_of([&] { ops::sub(a, b); }), HasSubstr("sub: of bools"));
}

TEST(Integers, FractionsMakeFloats) {
  const Tensor a = of({1, 2}, DType::Int32);
  EXPECT_EQ(ops::add(a, 0.5).dtype(), DType::Float32);
  EXPECT_THAT(ops::add(a, 0.5).to_vector(), ElementsAre(1.5, 2.5));
  EXPECT_THAT(ops::div(a, of({2, 4}, DType::Int32)).to_vector(), ElementsAre(0.5, 0.5));
  EXPECT_THAT(ops::div(a, 4).to_vector(), ElementsAre(0.25, 0.5));
  EXPECT_THAT(error_of([&] { ops::add(a, of({1, 2}, DType::Int64)); }), HasSubstr("expected one dtype and device"));
  EXPECT_THAT(error_of([&] { ops::exp(a); }), HasSubstr("exp: dtype int32 is not supported"));
}

TEST(Integers, InPlace) {
  const Tensor a = of({1, 2, 3}, DType::Int64);
  ops::add_(a, of({10}, DType::Int64));
  ops::mul_(a, 2);
  ops::add_(a, of({1, 1, 1}, DType::Int64), -3);
  EXPECT_THAT(a.to_vector(), ElementsAre(19, 21, 23));
  EXPECT_THAT(error_of([&] { ops::mul_(a, 0.5); }), HasSubstr("mul_: int64 [3] on cpu cannot hold float32 [3]"));
}

TEST(Float16, IsComputedInFloat32) {
  Generator generator(2);
  for (const Device device : test_devices()) {
    const Tensor a = ops::to(ops::to(generator.uniform({4, 6}, 0.5, 2), DType::Float16), device);
    const Tensor b = ops::to(ops::to(generator.uniform({6}, 0.5, 2), DType::Float16), device);
    const Tensor wide_a = ops::to(a, DType::Float32), wide_b = ops::to(b, DType::Float32);
    const auto expect = [](const Tensor& actual, const Tensor& wide) {
      EXPECT_EQ(actual.dtype(), DType::Float16);
      EXPECT_EQ(actual.to_vector(), ops::to(wide, DType::Float16).to_vector());
    };
    expect(ops::add(a, b), ops::add(wide_a, wide_b));
    expect(ops::div(a, b), ops::div(wide_a, wide_b));
    expect(ops::mul(a, 3), ops::mul(wide_a, 3));
    expect(ops::log(a), ops::log(wide_a));
    expect(ops::sum(a, {1}), ops::sum(wide_a, {1}));
    expect(ops::mean(a), ops::mean(wide_a));
    expect(ops::max(a, 0), ops::max(wide_a, 0));
    expect(ops::matmul(a, ops::unsqueeze(b, 1)), ops::matmul(wide_a, ops::unsqueeze(wide_b, 1)));
    const Tensor c = ops::clone(a);
    ops::add_(c, b, 0.5);
    expect(c, ops::add(wide_a, ops::mul(wide_b, 0.5)));
  }
}

}  // namespace
}  // namespace bevgrad
