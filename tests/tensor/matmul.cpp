// Matrix products of every device against plain sums.
#include <gtest/gtest.h>

#include "support/devices.h"
#include "support/kernel_problem.h"
#include "tensor/backend.h"

namespace bevgrad {
namespace {

struct Sizes {
  int64_t m, n, k;
};

Tensor expected_product(const Tensor& a, const Tensor& b, bool ta, bool tb, const Tensor& shift, bool relu) {
  const int64_t m = a.size(ta ? 1 : 0), k = a.size(ta ? 0 : 1), n = b.size(tb ? 0 : 1);
  const auto x = a.to_vector(), y = b.to_vector(), s = shift.defined() ? shift.to_vector() : std::vector<double>(n);
  std::vector<double> c(static_cast<size_t>(m * n));
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double sum = s[j];
      for (int64_t p = 0; p < k; ++p) sum += x[ta ? p * m + i : i * k + p] * y[tb ? j * k + p : p * n + j];
      c[i * n + j] = relu && sum < 0 ? 0 : sum;
    }
  return from_values(c, {m, n}, {DType::Float64});
}

struct Types {
  DType in, out;
};

class Matmul : public ::testing::TestWithParam<std::tuple<Sizes, Types>> {};

TEST_P(Matmul, EveryTransposeAndEpilogue) {
  const auto& [s, types] = GetParam();
  Generator generator(9);
  for (int what = 0; what < 16; ++what) {
    const bool ta = what & 1, tb = what & 2, relu = what & 8;
    const Tensor a = exact(generator, ta ? Shape{s.k, s.m} : Shape{s.m, s.k});
    const Tensor b = exact(generator, tb ? Shape{s.n, s.k} : Shape{s.k, s.n});
    const Tensor shift = what & 4 ? exact(generator, {s.n}) : Tensor();
    const Tensor expected = expected_product(a, b, ta, tb, shift, relu);
    for (const Device device : test_devices()) {
      const Tensor c = empty({s.m, s.n}, {types.out, {}, device});
      backend(device).matmul(c, on(a, device, types.in), on(b, device, types.in), ta, tb,
                             {on(shift, device, parameters_of(types.in)), relu});
      EXPECT_LT(largest_error(c, expected), tolerance(types.out)) << to_string(device) << ", case " << what;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Sizes, Matmul,
    ::testing::Combine(::testing::Values(Sizes{1, 1, 1}, Sizes{5, 3, 7}, Sizes{33, 16, 40}, Sizes{2, 130, 257},
                                         Sizes{64, 64, 64}, Sizes{3, 4, 0}, Sizes{0, 4, 3}, Sizes{4, 0, 3}),
                       ::testing::Values(Types{DType::Float32, DType::Float32}, Types{DType::BFloat16, DType::BFloat16},
                                         Types{DType::BFloat16, DType::Float32},
                                         Types{DType::Float64, DType::Float64})));

TEST(MatmulSpecial, OddAddressesAndSameBits) {
  Generator generator(2);
  const Tensor a = exact(generator, {7, 9}), b = exact(generator, {9, 5});
  for (const Device device : test_devices())
    for (const DType dtype : {DType::Float32, DType::BFloat16}) {
      // Begins one element into its allocation.
      const Tensor memory = on(exact(generator, {64}), device, dtype);
      const Tensor view(memory.storage(), 1, {7, 9}, {9, 1}, dtype);
      ops::copy_(view, on(a, device, dtype));
      const Tensor c = empty({7, 5}, {dtype, {}, device}), again = empty_like(c);
      for (const Tensor& result : {c, again})
        backend(device).matmul(result, view, on(b, device, dtype), false, false, {});
      EXPECT_LT(largest_error(c, expected_product(a, b, false, false, {}, false)), tolerance(dtype));
      EXPECT_TRUE(same_bits(c, again)) << to_string(device);
    }
}

}  // namespace
}  // namespace bevgrad
