// Attention over lengths that are computed in blocks.
#include "autograd/functions/attention.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/functions.h"
#include "support/devices.h"
#include "tensor/allocator.h"

namespace bevgrad {
namespace {

double largest_difference(const Tensor& a, const Tensor& b) {
  const auto x = a.to_vector(), y = b.to_vector();
  double largest = x.size() == y.size() ? 0 : INFINITY;
  for (size_t i = 0; i < std::min(x.size(), y.size()); ++i) largest = std::max(largest, std::abs(x[i] - y[i]));
  return largest;
}

// Output and gradients of three leaves of 1500 queries and keys, more than one block's worth.
std::vector<Tensor> run(bool by_blocks, bool causal) {
  Generator generator(1);
  std::vector<Tensor> results, leaves;
  for (int i = 0; i < 3; ++i) {
    leaves.push_back(generator.normal({2, 1500, 8}, 0, 1, {DType::Float64}));
    set_requires_grad(leaves.back(), true);
  }
  Tensor y;
  if (by_blocks) {
    y = scaled_dot_product_attention(leaves[0], leaves[1], leaves[2], {.is_causal = causal});
  } else {
    Tensor scores = mul(matmul(leaves[0], transpose(leaves[1], 1, 2)), 1 / std::sqrt(8.0));
    const Tensor at = arange(1500);
    if (causal) scores = masked_fill(scores, gt(at, ops::unsqueeze(at, 1)), -INFINITY);
    y = matmul(softmax(scores, -1), leaves[2]);
  }
  backward(sum(mul(y, y)));
  results.push_back(detach(y));
  for (const Tensor& leaf : leaves) results.push_back(grad(leaf));
  return results;
}

TEST(Attention, BlocksAgreeWithTheWhole) {
  for (const bool causal : {false, true}) {
    const auto blocks = run(true, causal), whole = run(false, causal);
    for (size_t i = 0; i < whole.size(); ++i) EXPECT_LT(largest_difference(blocks[i], whole[i]), 1e-11) << i;
  }
}

// [1,8,4096,4096] scores would take 512 MB, and their softmax as much.
TEST(Attention, MemoryGrowsWithTheLength) {
  Generator generator(2);
  std::vector<Tensor> leaves;
  for (int i = 0; i < 3; ++i) {
    leaves.push_back(generator.normal({1, 8, 4096, 16}));
    set_requires_grad(leaves.back(), true);
  }
  const size_t before = memory_stats().in_use;
  reset_peak_memory();
  backward(sum(scaled_dot_product_attention(leaves[0], leaves[1], leaves[2])));
  EXPECT_LT(memory_stats().peak - before, size_t{100} << 20);
}

TEST(Attention, DropsTheSameInTheSecondRun) {
  Generator generator(4);
  const Tensor q = generator.normal({1, 1200, 4}), k = generator.normal({1, 1200, 4});
  const Tensor v = ones({1, 1200, 1}, {DType::Float32});
  set_requires_grad(v, true);
  const Tensor y = scaled_dot_product_attention(q, k, v, {.dropout_p = 0.5, .generator = &generator});
  backward(sum(y));
  // Linear in v: the gradient's sum is the output's only where both runs dropped the same weights.
  EXPECT_NEAR(sum(detach(y)).item(), ops::sum(grad(v)).item(), 0.05);
}

}  // namespace
}  // namespace bevgrad
