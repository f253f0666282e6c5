// Runs the table of docs/pytorch.md.
#include <gtest/gtest.h>

#include "autograd/autocast.h"
#include "autograd/functions.h"
#include "autograd/functions/operators.h"
#include "autograd/grad.h"
#include "autograd/gradcheck.h"
#include "nn/common_losses.h"
#include "nn/conv.h"
#include "nn/init.h"
#include "nn/layer_norm.h"
#include "nn/linear.h"
#include "optim/adamw.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

TEST(Cookbook, EveryRowOfThePageRuns) {
  Generator generator(1);
  const Tensor x = generator.normal({2, 3}), y = generator.normal({2, 3}), w = generator.normal({3, 4});
  const Tensor a = generator.normal({2, 3, 4}), b = generator.normal({2, 4, 5}), image = generator.normal({1, 4, 8, 8});
  const Tensor kernel = generator.normal({6, 4, 3, 3}), query = generator.normal({2, 5, 8}), leaf = ones({3});
  const Tensor mask = gt(x, 0), index = from_values({0, 2, 1, 1, 0, 2}, {2, 3}, {DType::Int64});
  const Tensor labels = from_values({2, 0}, {2}, {DType::Int64});
  Linear model(3, 4);
  init::reset_parameters(model, generator);
  int rows = 0;
#include "cookbook_rows.inc"
  EXPECT_GT(rows, 60);
}

}  // namespace
}  // namespace bevgrad
