#include "nn/update_batch_norm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "autograd/functions.h"
#include "nn/batch_norm.h"
#include "nn/sequential.h"
#include "support/error_of.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

using testing::error_of;
using ::testing::HasSubstr;

TEST(UpdateBatchNorm, IsTheMeanOfTheBatches) {
  Generator generator(3);
  std::vector<Tensor> batches;
  for (const int64_t size : {4, 7, 3}) batches.push_back(generator.normal({size, 2, 3, 5}, 1, 2));
  Sequential<> net;
  auto& first = net.emplace<BatchNorm2d>(2, NormSpec{.momentum = 0.3});
  auto& second = net.emplace<BatchNorm2d>(2);
  net.append(relu);
  net.set_training(false);
  second.set_training(true);  // each keeps its own
  ops::fill_(first.running_mean, 77);

  size_t next = 0;
  update_batch_norm(net, [&] {
    if (next == batches.size()) return false;
    net.forward(batches[next++]);
    return true;
  });
  Tensor mean_of = zeros({2}), var_of = zeros({2});
  for (const Tensor& batch : batches) {
    mean_of = mean_of + mean(batch, {0, 2, 3}) / 3.0;
    var_of = var_of + var(batch, {0, 2, 3}) / 3.0;
  }
  for (size_t c = 0; c < 2; ++c) {
    EXPECT_NEAR(first.running_mean.to_vector()[c], mean_of.to_vector()[c], 1e-5);
    EXPECT_NEAR(first.running_var.to_vector()[c], var_of.to_vector()[c], 1e-4);
    EXPECT_NEAR(second.running_mean.to_vector()[c], 0, 1e-5);  // behind the first one, on each batch's statistics
  }
  EXPECT_EQ(first.num_batches_tracked.item(), 3);
  EXPECT_FALSE(net.training());
  EXPECT_FALSE(first.training());
  EXPECT_TRUE(second.training());
}

TEST(UpdateBatchNorm, FrozenStayAndNoBatchIsAnError) {
  BatchNorm2d norm(2);
  EXPECT_THAT(error_of([&] { update_batch_norm(norm, [] { return false; }); }), HasSubstr("no batch"));
  ops::fill_(norm.running_mean, 5);
  norm.set_frozen(true);
  bool more = true;
  update_batch_norm(norm, [&] { return std::exchange(more, false); });
  EXPECT_EQ(norm.running_mean.to_vector()[0], 5);
  BatchNorm2d still(2, {.momentum = 0});
  EXPECT_THAT(error_of([&] { update_batch_norm(still, [] { return false; }); }), HasSubstr("momentum 0"));
}

}  // namespace
}  // namespace bevgrad
