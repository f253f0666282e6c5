// More ways to a wrong gradient: each gives the right one, or an error that says why there is none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "autograd/autograd.h"
#include "autograd/checkpoint.h"
#include "autograd/functions/batch_norm.h"
#include "autograd/functions/indexing.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/reduce.h"
#include "autograd/functions/shape.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Tensor leaf(std::initializer_list<double> values) {
  const Tensor x = from_values(values, {static_cast<int64_t>(values.size())});
  set_requires_grad(x, true);
  return x;
}

template <class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

constexpr const char* kSavedWritten = "that it saved for the backward pass has been written in place since";

TEST(TapeTraps, AViewOfALeafSeesWhatIsWrittenToTheLeaf) {
  const std::vector<std::function<void(const Tensor&)>> writes = {
      [](const Tensor& x) { ops::fill_(ops::narrow(x, 0, 1, 1), 9.0); },
      [](const Tensor& x) {
        ops::copy_(ops::view(x, {2, 1}), zeros({2, 1}));
      },
      [](const Tensor& x) {
        ops::mul_(ops::expand(ops::unsqueeze(x, 0), {1, 2}), 3.0);
      },
      [](const Tensor& x) { x.set_data(zeros({2})); },
  };
  for (size_t i = 0; i < writes.size(); ++i) {
    const Tensor x = leaf({1, 2}), view = narrow(x, 0, 0, 2);
    const Tensor y = sum(mul(view, x));
    {
      const NoGradGuard no_grad;
      writes[i](x);
    }
    EXPECT_THAT(error_of([&] { backward(y); }), HasSubstr(kSavedWritten)) << "write " << i;
  }
}

TEST(TapeTraps, AResultsMemoryIsNotExchanged) {
  const Tensor x = leaf({1, 2}), y = mul(x, 2.0);
  EXPECT_THAT(error_of([&] {
                y.set_data(from_values({5, 6}, {2}));
              }),
              HasSubstr("set_data: float32 [2] on cpu is the result of mul"));
  const Tensor loss = sum(mul(x, x));
  x.set_data(ops::clone(detach(x)));  // a leaf's may be: the pass says so where it needed the old
  EXPECT_THAT(error_of([&] { backward(loss); }), HasSubstr(kSavedWritten));
}

// An optimizer's step between the two runs of a checkpointed stretch.
TEST(TapeTraps, AParameterThatMovesBeforeItsStretchRunsAgainIsFound) {
  const Tensor weight = leaf({3}), x = leaf({2});
  const auto stretch = [&weight](const std::vector<Tensor>& in) { return mul(mul(in[0], weight), weight); };
  const Tensor y = checkpoint(stretch, {x}, {weight});
  {
    const NoGradGuard no_grad;
    ops::fill_(weight, 10.0);
  }
  EXPECT_THAT(error_of([&] { backward(y); }), AllOf(HasSubstr("backward of checkpoint"), HasSubstr(kSavedWritten)));
  set_grad(x, {});
  set_grad(weight, {});
  backward(checkpoint(stretch, {x}, {weight}));
  EXPECT_THAT(grad(x).to_vector(), ElementsAre(100));
  EXPECT_THAT(grad(weight).to_vector(), ElementsAre(40));
}

TEST(TapeTraps, AStretchsInputsAndResultAreWatched) {
  for (const bool input : {true, false}) {
    const Tensor x = leaf({2});
    const Tensor y = checkpoint([](const std::vector<Tensor>& in) { return mul(in[0], in[0]); }, {x});
    const NoGradGuard no_grad;
    ops::mul_(input ? x : y, 3.0);
    EXPECT_THAT(error_of([&] { backward(y); }), HasSubstr("written in place since")) << input;
  }
}

TEST(TapeTraps, ARuleThatWritesIntoItsGradientIsNamed) {
  const auto greedy = [](const Tensor& x) {
    return record("greedy", detach(x), {x}, [](const Tensor& dy, const NeedsGrad&) {
      ops::mul_(dy, 2.0);
      return Grads{dy};
    });
  };
  // add hands one gradient to both of its inputs.
  const Tensor x = leaf({1}), y = leaf({1});
  EXPECT_THAT(error_of([&] { backward(sum(add(greedy(x), mul(y, 1.0)))); }),
              HasSubstr("backward of greedy: its rule writes in place to the gradient that it is given"));
}

TEST(TapeTraps, ACallersGradientIsNotWrittenInto) {
  const Tensor x = leaf({2, 3}), dy = ones({2});
  for (int pass = 0; pass < 2; ++pass) backward(add(x, x), dy);
  EXPECT_THAT(dy.to_vector(), Each(1));
  EXPECT_THAT(grad(x).to_vector(), Each(4));
  ops::fill_(dy, 7.0);
  EXPECT_THAT(grad(x).to_vector(), Each(4));
}

TEST(TapeTraps, AnIndexIsKeptAsItWas) {
  const Tensor x = leaf({1, 2, 3}), index = from_values({2}, {1}, {.dtype = DType::Int64});
  const Tensor y = gather(x, 0, index);
  index.data<int64_t>()[0] = 0;
  EXPECT_THAT(error_of([&] { backward(y); }), HasSubstr("backward of gather"));
}

TEST(TapeTraps, RunningStatisticsHaveNoGradient) {
  const Tensor x = Generator(1).normal({4, 2}), mean = leaf({0, 0}), var = ones({2});
  for (const bool training : {true, false})
    EXPECT_EQ(error_of([&] { batch_norm(x, ones({2}), zeros({2}), mean, var, {.training = training}); }),
              "batch_norm: running_mean requires a gradient, which is not provided");
  const Tensor gamma = leaf({1, 1});
  EXPECT_EQ(error_of([&] { fold_batch_norm(gamma, zeros({2}), zeros({2}), var, 1e-5); }),
            "fold_batch_norm: gamma requires a gradient, which is not provided");
  const NoGradGuard no_grad;
  EXPECT_EQ(error_of([&] { fold_batch_norm(gamma, zeros({2}), mean, var, 1e-5); }), "");
}

// Rules that keep values do not chain the nodes together behind the destructor's back.
TEST(TapeTraps, AChainThatKeepsItsValuesIsDestroyedWithoutRecursion) {
  const Tensor x = leaf({1}), weight = leaf({1});
  Tensor y = x;
  for (int i = 0; i < 100000; ++i) y = mul(y, weight);
  y = Tensor();
}

// Every thread's share arrives, of leaves and of views of them.
TEST(TapeTraps, ThreadsAddToOneLeaf) {
  constexpr int kThreads = 4, kPasses = 25;
  const Tensor weight = zeros({100000});
  set_requires_grad(weight, true);
  backward(sum(mul(weight, 1.0)));  // there is a gradient to add to
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&weight] {
      for (int pass = 0; pass < kPasses; ++pass) {
        backward(sum(narrow(weight, 0, 0, 100000)));
        backward(sum(mul(weight, 1.0)));
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(grad(weight).to_vector(), Each(1 + 2 * kThreads * kPasses));
}

}  // namespace
}  // namespace bevgrad
