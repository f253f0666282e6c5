// Integers, bools and float16 in differentiable functions: values as PyTorch's, gradients through float16.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "autograd/functions.h"
#include "support/devices.h"
#include "support/error_of.h"
#include "tensor/random.h"

namespace bevgrad::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr DType kIntegers[] = {DType::Int64, DType::Int32, DType::Int16, DType::Int8, DType::UInt8};

Tensor of(const std::vector<double>& values, DType dtype, Device device = {}) {
  return ops::to(from_values(values, {static_cast<int64_t>(values.size())}, {dtype}), device);
}

void for_integers(const std::function<void(DType, Device)>& test) {
  for (const Device device : test_devices())
    for (const DType dtype : kIntegers) {
      SCOPED_TRACE(std::string(name(dtype)) + " on " + to_string(device));
      test(dtype, device);
    }
}

// Values that are expected to have kept the dtype.
std::vector<double> kept(const Tensor& y, DType dtype) {
  EXPECT_EQ(y.dtype(), dtype);
  return y.to_vector();
}

TEST(Integers, AreChosenCopiedAndMoved) {
  for_integers([](DType dtype, Device device) {
    const Tensor a = of({7, 3, 100}, dtype, device), b = of({2, 5, 100}, dtype, device);
    const Tensor mask = of({1, 0, 0}, DType::Bool, device), index = of({2, 0}, DType::Int64, device);
    EXPECT_THAT(kept(where(mask, a, b), dtype), ElementsAre(7, 5, 100));
    EXPECT_THAT(kept(masked_fill(a, mask, 9), dtype), ElementsAre(9, 3, 100));
    EXPECT_THAT(kept(maximum(a, b), dtype), ElementsAre(7, 5, 100));
    EXPECT_THAT(kept(minimum(a, b), dtype), ElementsAre(2, 3, 100));
    EXPECT_THAT(kept(gather(a, 0, index), dtype), ElementsAre(100, 7));
    EXPECT_THAT(kept(index_select(a, 0, index), dtype), ElementsAre(100, 7));
    EXPECT_THAT(kept(scatter(a, 0, index, of({1, 4}, dtype, device)), dtype), ElementsAre(4, 3, 1));
    EXPECT_THAT(kept(index_add(a, 0, index, of({1, 4}, dtype, device)), dtype), ElementsAre(11, 3, 101));
    EXPECT_THAT(kept(sort(a).values, dtype), ElementsAre(3, 7, 100));
    EXPECT_THAT(kept(topk(a, 2).values, dtype), ElementsAre(100, 7));
    EXPECT_THAT(kept(repeat(a, {2}), dtype), ElementsAre(7, 3, 100, 7, 3, 100));
    EXPECT_THAT(kept(pad(reshape(a, {1, 3}), {1, 1}, PadMode::Replicate), dtype), ElementsAre(7, 7, 3, 100, 100));
  });
  EXPECT_THAT(error_of([] { masked_fill(zeros({2}, {DType::Int32}), zeros({2}, {DType::Bool}), 0.5); }),
              HasSubstr("masked_fill: 0.5 is no value of int32"));
}

TEST(Integers, HaveExtremes) {
  for_integers([](DType dtype, Device device) {
    const Tensor x = reshape(of({7, 0, 100, 5, 9, 5}, dtype, device), {2, 3});
    EXPECT_THAT(kept(max(x, 1), dtype), ElementsAre(100, 9));
    EXPECT_THAT(kept(min(x, 1), dtype), ElementsAre(0, 5));
    EXPECT_THAT(argmax(x, 1).to_vector(), ElementsAre(2, 1));
    EXPECT_THAT(argmin(x, 1).to_vector(), ElementsAre(1, 0));
  });
  // The least integer has no negative.
  const Tensor least = full({2}, 0, {DType::Int64});
  least.data<int64_t>()[1] = std::numeric_limits<int64_t>::min();
  EXPECT_EQ(min(least, 0).data<const int64_t>()[0], std::numeric_limits<int64_t>::min());
  EXPECT_EQ(argmin(least, 0).item(), 1);
  EXPECT_EQ(argmin(of({3, NAN, 1}, DType::Float32), 0).item(), 1);
}

TEST(Integers, AreClampedAddedUpAndRaised) {
  for_integers([](DType dtype, Device device) {
    const Tensor x = of({7, 0, 3}, dtype, device);
    EXPECT_THAT(kept(clamp(x, 1, 5), dtype), ElementsAre(5, 1, 3));
    EXPECT_THAT(kept(clamp(x, -300, 1e30), dtype), ElementsAre(7, 0, 3));
    EXPECT_THAT(kept(clamp(x, -INFINITY, 5), dtype), ElementsAre(5, 0, 3));
    EXPECT_THAT(kept(clamp(x, 0.5, 5), DType::Float32), ElementsAre(5, 0.5, 3));
    EXPECT_THAT(kept(cumsum(x, 0), DType::Int64), ElementsAre(7, 7, 10));
    EXPECT_THAT(kept(pow(x, 2), dtype), ElementsAre(49, 0, 9));
    EXPECT_THAT(kept(pow(x, 0), dtype), ElementsAre(1, 1, 1));
    EXPECT_THAT(kept(pow(x, 0.5), DType::Float32), ElementsAre(std::sqrt(7.0f), 0, std::sqrt(3.0f)));
    EXPECT_THAT(kept(pow(x, of({1, 0, 4}, dtype, device)), dtype), ElementsAre(7, 1, 81));
    if (dtype != DType::UInt8) {
      EXPECT_THAT(kept(pow(of({-1, -1, 2}, dtype, device), of({-1, -2, -1}, dtype, device)), dtype),
                  ElementsAre(-1, 1, 0));
      EXPECT_THAT(kept(pow(of({-3, 2}, dtype, device), 3), dtype), ElementsAre(-27, 8));
    }
  });
  EXPECT_THAT(kept(cumsum(of({1, 0, 1}, DType::Bool), 0), DType::Int64), ElementsAre(1, 1, 2));
  EXPECT_THAT(kept(pow(of({1, 0}, DType::Bool), 2), DType::Int64), ElementsAre(1, 0));
  const Tensor large = full({2}, 0, {DType::Int64});
  large.data<int64_t>()[0] = large.data<int64_t>()[1] = (int64_t{1} << 53) + 1;
  EXPECT_EQ(cumsum(large, 0).data<const int64_t>()[1], (int64_t{1} << 54) + 2);
  EXPECT_EQ(pow(of({3}, DType::Int64), 39).data<const int64_t>()[0], 4052555153018976267);
  EXPECT_THAT(error_of([] { pow(zeros({2}, {DType::Int32}), -1); }),
              HasSubstr("pow: the exponent -1 of integers int32"));
}

TEST(Integers, AreComparedWithNumbersThatTheyDoNotHave) {
  for_integers([](DType dtype, Device device) {
    const Tensor x = of({0, 1, 100}, dtype, device);
    EXPECT_THAT(lt(x, 0.5).to_vector(), ElementsAre(1, 0, 0));
    EXPECT_THAT(ge(x, 0.5).to_vector(), ElementsAre(0, 1, 1));
    EXPECT_THAT(eq(x, 0.5).to_vector(), ElementsAre(0, 0, 0));
    EXPECT_THAT(le(x, 1).to_vector(), ElementsAre(1, 1, 0));
    EXPECT_THAT(gt(x, -1e30).to_vector(), ElementsAre(1, 1, 1));
    EXPECT_THAT(lt(x, INFINITY).to_vector(), ElementsAre(1, 1, 1));
    EXPECT_THAT(ne(x, NAN).to_vector(), ElementsAre(1, 1, 1));
  });
  const Tensor bytes = of({0, 255, 44}, DType::UInt8);
  EXPECT_THAT(eq(bytes, -1).to_vector(), ElementsAre(0, 0, 0));
  EXPECT_THAT(lt(bytes, 300).to_vector(), ElementsAre(1, 1, 1));
  EXPECT_THAT(eq(of({1, 0}, DType::Bool), 2).to_vector(), ElementsAre(0, 0));
}

TEST(Float16, IsComputedInFloat32) {
  using Function = std::function<Tensor(const std::vector<Tensor>&)>;
  struct Case {
    const char* name;
    std::vector<Shape> sizes;
    Function function;
  };
  const std::vector<Case> cases = {
      {"where", {{3, 4}, {4}}, [](auto& x) { return where(gt(x[0], 0), x[0], x[1]); }},
      {"masked_fill", {{3, 4}}, [](auto& x) { return masked_fill(x[0], gt(x[0], 0), 2); }},
      {"gather", {{3, 4}}, [](auto& x) { return gather(x[0], 1, argsort(x[0], 1)); }},
      {"max", {{3, 4}}, [](auto& x) { return max(x[0], 1); }},
      {"min", {{3, 4}}, [](auto& x) { return min(x[0], 1); }},
      {"cumsum", {{3, 4}}, [](auto& x) { return cumsum(x[0], 1); }},
      {"bmm", {{2, 3, 4}, {2, 4, 2}}, [](auto& x) { return bmm(x[0], x[1]); }},
      {"matmul", {{2, 3, 4}, {4, 2}}, [](auto& x) { return matmul(x[0], x[1]); }},
      {"linear", {{3, 4}, {2, 4}, {2}}, [](auto& x) { return linear(x[0], x[1], x[2]); }},
      {"conv2d",
       {{2, 3, 5, 4}, {4, 3, 3, 3}, {4}},
       [](auto& x) { return conv2d(x[0], x[1], x[2], {.stride = 1, .padding = 1}); }},
      {"conv1d", {{2, 3, 5}, {4, 3, 3}}, [](auto& x) { return conv1d(x[0], x[1]); }},
      {"softmax", {{3, 4}}, [](auto& x) { return softmax(x[0], 1); }},
      {"log_softmax", {{3, 4}}, [](auto& x) { return log_softmax(x[0], 1); }},
      {"layer_norm", {{3, 4}, {4}, {4}}, [](auto& x) { return layer_norm(x[0], {4}, x[1], x[2]); }},
      {"group_norm", {{2, 4, 3}}, [](auto& x) { return group_norm(x[0], 2); }},
      {"rms_norm", {{3, 4}}, [](auto& x) { return rms_norm(x[0], {4}); }},
      {"max_pool2d", {{1, 2, 4, 4}}, [](auto& x) { return max_pool2d(x[0], {.kernel = 2}); }},
      {"avg_pool2d", {{1, 2, 4, 4}}, [](auto& x) { return avg_pool2d(x[0], {.kernel = 2}); }},
      {"interpolate",
       {{1, 2, 4, 4}},
       [](auto& x) {
         return interpolate(x[0], {6, 3}, {.mode = InterpolateMode::Bicubic});
       }},
      {"batch_norm",
       {{2, 3, 4, 5}, {3}, {3}},
       [](auto& x) {
         const Device device = x[0].device();
         return batch_norm(x[0], x[1], x[2], zeros({3}, {.device = device}), ones({3}, {.device = device}));
       }},
      {"batch_norm of running statistics, with a residual",
       {{2, 3, 4, 5}, {3}, {3}, {2, 3, 4, 5}},
       [](auto& x) {
         const Device device = x[0].device();
         return batch_norm(x[0], x[1], x[2], zeros({3}, {.device = device}), ones({3}, {.device = device}),
                           {.training = false, .residual = x[3]});
       }},
      {"grid_sample", {{2, 3, 5, 4}, {2, 3, 3, 2}}, [](auto& x) { return grid_sample(x[0], x[1]); }},
      {"prod", {{3, 4}}, [](auto& x) { return prod(x[0], 1); }},
      {"attention",
       {{2, 3, 4}, {2, 5, 4}, {2, 5, 2}},
       [](auto& x) { return scaled_dot_product_attention(x[0], x[1], x[2]); }},
      {"conv_transpose2d", {{1, 3, 3, 4}, {3, 2, 2, 2}}, [](auto& x) { return conv_transpose2d(x[0], x[1]); }},
  };
  for (const Device device : test_devices())
    for (const Case& one : cases) {
      SCOPED_TRACE(std::string(one.name) + " on " + to_string(device));
      const auto results = [&](DType dtype) {
        Generator generator(3);
        std::vector<Tensor> inputs;
        for (const Shape& sizes : one.sizes) {
          const Tensor half = ops::to(generator.normal(sizes), DType::Float16);
          inputs.push_back(ops::to(ops::to(half, dtype), device));
          set_requires_grad(inputs.back(), true);
        }
        const Tensor y = one.function(inputs);
        EXPECT_EQ(y.dtype(), dtype);
        const Tensor dy = ops::to(generator.uniform(y.sizes(), -1, 1), DType::Float16);
        backward(y, ops::to(ops::to(dy, dtype), device));
        std::vector<Tensor> all = {y};
        for (const Tensor& x : inputs) all.push_back(grad(x));
        return all;
      };
      const auto half = results(DType::Float16), single = results(DType::Float32);
      for (size_t i = 0; i < half.size(); ++i) {
        EXPECT_EQ(half[i].dtype(), DType::Float16);
        const auto a = half[i].to_vector(), e = single[i].to_vector();
        for (size_t k = 0; k < a.size(); ++k) EXPECT_NEAR(a[k], e[k], 2e-3 * std::max(1.0, std::abs(e[k]))) << i;
      }
    }
}

TEST(SpecialValues, AreAsInPyTorch) {
  const auto gradient_of = [](Tensor (*function)(const Tensor&), double at) {
    const Tensor x = of({at}, DType::Float32);
    set_requires_grad(x, true);
    backward(sum(function(x)));
    return grad(x).item();
  };
  EXPECT_TRUE(std::isnan(hardswish(of({-INFINITY}, DType::Float32)).item()));
  EXPECT_EQ(hardswish(of({INFINITY}, DType::Float32)).item(), INFINITY);
  EXPECT_TRUE(std::isnan(gradient_of([](const Tensor& x) { return elu(x); }, NAN)));
  EXPECT_TRUE(std::isnan(gradient_of(hardswish, NAN)));
  EXPECT_NEAR(std(of({1e30, -1e30}, DType::Float32), {}, 0).item(), 1e30, 1e24);
  EXPECT_EQ(gradient_of([](const Tensor& x) { return prod(x, 0); }, INFINITY), 1);
  EXPECT_EQ(logsumexp(zeros({0, 2}), 0).to_vector(), (std::vector<double>{-INFINITY, -INFINITY}));
  EXPECT_EQ(chunk(zeros({0}), 6).size(), 6U);
  const Tensor equal = reshape(of({3, -3, 1, 2}, DType::Float64), {2, 2});
  set_requires_grad(equal, true);
  backward(sum(norm(equal, INFINITY, {1})));
  EXPECT_THAT(grad(equal).to_vector(), ElementsAre(0.5, -0.5, 0, 1));
  EXPECT_THAT(error_of([] { cumsum(zeros({}), 1); }), HasSubstr("cumsum: dimension 1"));
  for (const Shape& sizes : {Shape{}, Shape{2}, Shape{2, 1, 3}})
    EXPECT_EQ(norm(ones(sizes), INFINITY, {}, true).sizes(), Shape(sizes.size(), 1));
  EXPECT_THAT(clamp(of({0, 5}, DType::Float32), 2, 1).to_vector(), ElementsAre(1, 1));
}

TEST(Repeat, TakesTensorsOfManyDimensions) {
  const Tensor x = reshape(of({1, 2, 3, 4}, DType::Float64), {1, 2, 1, 1, 2, 1});
  set_requires_grad(x, true);
  const Tensor y = repeat(x, {2, 1, 3, 1, 1, 2, 1, 1});
  EXPECT_EQ(y.sizes(), (Shape{2, 1, 3, 2, 1, 2, 2, 1}));
  EXPECT_EQ(select(select(select(y, 0, 1), 1, 2), 1, 1).to_vector(), (std::vector<double>{3, 4, 3, 4}));
  backward(sum(y));
  EXPECT_THAT(grad(x).to_vector(), ElementsAre(12, 12, 12, 12));
}

}  // namespace
}  // namespace bevgrad::testing
