// The tape gives no wrong gradient without a word: what it cannot follow throws, and says what to write instead.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "autograd/autograd.h"
#include "autograd/checkpoint.h"
#include "autograd/functions/batch_norm.h"
#include "autograd/functions/conv.h"
#include "autograd/functions/linear.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/reduce.h"
#include "autograd/functions/shape.h"
#include "autograd/functions/softmax.h"
#include "tensor/pointwise.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
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

struct Twice {
  template <class T>
  BEVGRAD_HD T operator()(T a) const {
    return a + a;
  }
};

struct PlainCall {
  const char* op;
  std::function<void(const Tensor&)> call;
};

// Every entry of ops:: that takes a tensor and gives one, and the templates below it.
const std::vector<PlainCall> kPlainCalls = {
    {"view", [](const Tensor& x) { ops::view(x, {4}); }},
    {"permute",
     [](const Tensor& x) {
       ops::permute(x, {1, 0});
     }},
    {"transpose", [](const Tensor& x) { ops::transpose(x, 0, 1); }},
    {"narrow", [](const Tensor& x) { ops::narrow(x, 0, 0, 1); }},
    {"select", [](const Tensor& x) { ops::select(x, 0, 0); }},
    {"unsqueeze", [](const Tensor& x) { ops::unsqueeze(x, 0); }},
    {"squeeze", [](const Tensor& x) { ops::squeeze(x, 0); }},
    {"expand",
     [](const Tensor& x) {
       ops::expand(x, {3, 2, 2});
     }},
    {"clone", [](const Tensor& x) { ops::clone(x); }},
    {"contiguous", [](const Tensor& x) { ops::contiguous(x); }},
    {"reshape", [](const Tensor& x) { ops::reshape(x, {4}); }},
    {"to", [](const Tensor& x) { ops::to(x, DType::Float64); }},
    {"to", [](const Tensor& x) { ops::to(x, Device{}); }},
    {"cat",
     [](const Tensor& x) {
       ops::cat({zeros({2, 2}), x}, 0);
     }},
    {"stack",
     [](const Tensor& x) {
       ops::stack({zeros({2, 2}), x}, 0);
     }},
    {"add",
     [](const Tensor& x) {
       ops::add(ones({2, 2}), x);
     }},
    {"sub", [](const Tensor& x) { ops::sub(x, x); }},
    {"mul", [](const Tensor& x) { ops::mul(x, x); }},
    {"div", [](const Tensor& x) { ops::div(x, x); }},
    {"add", [](const Tensor& x) { ops::add(x, 1.0); }},
    {"sub", [](const Tensor& x) { ops::sub(x, 1.0); }},
    {"mul", [](const Tensor& x) { ops::mul(x, 2.0); }},
    {"div", [](const Tensor& x) { ops::div(x, 2.0); }},
    {"neg", [](const Tensor& x) { ops::neg(x); }},
    {"exp", [](const Tensor& x) { ops::exp(x); }},
    {"log", [](const Tensor& x) { ops::log(x); }},
    {"sqrt", [](const Tensor& x) { ops::sqrt(x); }},
    {"abs", [](const Tensor& x) { ops::abs(x); }},
    {"relu", [](const Tensor& x) { ops::relu(x); }},
    {"sigmoid", [](const Tensor& x) { ops::sigmoid(x); }},
    {"clamp", [](const Tensor& x) { ops::clamp(x, 0, 1); }},
    {"sum", [](const Tensor& x) { ops::sum(x); }},
    {"sum", [](const Tensor& x) { ops::sum(x, {0}); }},
    {"mean", [](const Tensor& x) { ops::mean(x); }},
    {"mean", [](const Tensor& x) { ops::mean(x, {0}); }},
    {"max", [](const Tensor& x) { ops::max(x, 0); }},
    {"max", [](const Tensor& x) { ops::max_with_index(x, 0); }},
    {"sum_to", [](const Tensor& x) { ops::sum_to(x, {2}); }},
    {"matmul",
     [](const Tensor& x) {
       ops::matmul(ones({2, 2}), x);
     }},
    {"twice", [](const Tensor& x) { pointwise::map("twice", x, Twice{}); }},
    // In place: the tensor that requires a gradient is what is written, or what is written into another.
    {"copy_",
     [](const Tensor& x) {
       ops::copy_(x, zeros({2, 2}));
     }},
    {"copy_",
     [](const Tensor& x) {
       ops::copy_(zeros({2, 2}), x);
     }},
    {"fill_", [](const Tensor& x) { ops::fill_(x, 0.0); }},
    {"add_",
     [](const Tensor& x) {
       ops::add_(x, ones({2, 2}));
     }},
    {"add_",
     [](const Tensor& x) {
       ops::add_(zeros({2, 2}), x, 2.0);
     }},
    {"mul_",
     [](const Tensor& x) {
       ops::mul_(x, ones({2, 2}));
     }},
    {"mul_", [](const Tensor& x) { ops::mul_(x, 3.0); }},
};

TEST(TapeTruth, APlainOpOnATensorThatRequiresAGradientThrows) {
  const Tensor x = full({2, 2}, 2.0);
  set_requires_grad(x, true);
  const Tensor result = mul(x, 2.0);
  for (const PlainCall& plain : kPlainCalls) {
    for (const Tensor& tensor : {x, result}) {
      EXPECT_THAT(error_of([&] { plain.call(tensor); }),
                  AllOf(HasSubstr(fmt::format("ops::{}: ", plain.op)), HasSubstr("requires a gradient"),
                        HasSubstr("recorded: write "), HasSubstr("NoGradGuard")))
          << plain.op;
      EXPECT_EQ(error_of([&] { plain.call(ops::clone(detach(tensor))); }), "") << plain.op;
      const NoGradGuard no_grad;
      EXPECT_EQ(error_of([&] { plain.call(tensor); }), "") << plain.op;
    }
  }
}

TEST(TapeTruth, TheErrorSaysWhatToWrite) {
  const Tensor x = leaf({3});
  EXPECT_THAT(
      error_of([&] { ops::mul(x, x); }),
      HasSubstr("ops::mul: a (float32 [1] on cpu, a leaf) requires a gradient, and ops:: is not recorded: write "
                "mul(..) where the gradient is wanted, detach(a) or a NoGradGuard where it is not"));
  EXPECT_THAT(error_of([&] {
                ops::view(add(x, 1.0), {1, 1});
              }),
              AllOf(HasSubstr("(float32 [1] on cpu, the result of add)"), HasSubstr("write reshape(..)")));
  EXPECT_THAT(error_of([&] { ops::mul_(add(x, 1.0), 3.0); }),
              HasSubstr("ops::mul_: target (float32 [1] on cpu, the result of add) requires a gradient, and a write in "
                        "place is not recorded: write y = mul(..)"));
}

TEST(TapeTruth, NumbersMayBeReadOffTheTape) {
  const Tensor x = leaf({3, 4});
  const Tensor y = sum(mul(x, x));
  EXPECT_EQ(y.item(), 25);
  EXPECT_THAT(x.to_vector(), ElementsAre(3, 4));
  EXPECT_EQ(ops::sum_of_squares(x), 25);
  EXPECT_TRUE(ops::all_finite(x));
  EXPECT_EQ(y.data<const float>()[0], 25);
  backward(y);
  EXPECT_THAT(grad(x).to_vector(), ElementsAre(6, 8));
}

// Whatever way a recorded result is written over: nobody saved it, so only its own record can tell.
TEST(TapeTruth, AWriteToARecordedResultIsFound) {
  const std::vector<std::function<void(const Tensor&)>> writes = {
      [](const Tensor& y) {
        const NoGradGuard no_grad;
        ops::mul_(y, 3.0);
      },
      [](const Tensor& y) { ops::mul_(detach(y), 3.0); },
      [](const Tensor& y) {
        const NoGradGuard no_grad;
        ops::fill_(ops::narrow(y, 0, 0, 1), 3.0);
      },
      [](const Tensor& y) { ops::copy_(ops::select(detach(y), 0, -1), scalar(2.0)); },
      [](const Tensor& y) { y.data<float>()[0] = 100; },
      [](const Tensor& y) { static_cast<float*>(y.raw_data())[1] = 100; },
      [](const Tensor& y) { ops::unsqueeze(detach(y), 0).data<float>()[0] = 100; },
  };
  const std::vector<std::pair<const char*, std::function<Tensor(const Tensor&)>>> functions = {
      {"add", [](const Tensor& p) { return add(p, 1.0); }},
      {"sub", [](const Tensor& p) { return sub(ones({2}), p); }},
      {"neg", [](const Tensor& p) { return neg(p); }},
      {"reshape", [](const Tensor& p) { return reshape(p, {2}); }},
      {"cat",
       [](const Tensor& p) {
         return cat({p, p}, 0);
       }},
      {"linear",
       [](const Tensor& p) {
         return reshape(linear(reshape(p, {1, 2}), ones({2, 2})), {2});
       }},
      {"to", [](const Tensor& p) { return to(to(p, DType::Float64), DType::Float32); }},
  };
  for (const auto& [name, function] : functions) {
    for (size_t i = 0; i < writes.size(); ++i) {
      const Tensor p = leaf({1, 2});
      const Tensor y = function(p);
      const Tensor loss = sum(y);
      writes[i](y);
      EXPECT_THAT(error_of([&] { backward(loss); }), HasSubstr("its result has been written in place since"))
          << name << ", write " << i;
    }
  }
}

TEST(TapeTruth, AWriteThroughAPointerToASavedTensorIsFound) {
  const Tensor x = leaf({1, 2});
  const Tensor y = sum(mul(x, x));
  x.data<float>()[0] = 100;
  EXPECT_EQ(error_of([&] { backward(y); }),
            "backward of mul: float32 [2] on cpu that it saved for the backward pass has been written in place since");
  // A constant factor as well.
  const Tensor c = from_values({1, 2}, {2}), z = leaf({3, 4});
  const Tensor w = sum(mul(z, c));
  c.data<float>()[1] = 7;
  EXPECT_THAT(error_of([&] { backward(w); }), HasSubstr("backward of mul: float32 [2] on cpu that it saved"));
}

TEST(TapeTruth, ReadingAndCopyingIsNoWrite) {
  const Tensor x = leaf({1, 2});
  const Tensor y = mul(x, x);
  const Tensor loss = sum(y);
  const NoGradGuard no_grad;
  float total = 0;
  for (int i = 0; i < 2; ++i) total += y.data<const float>()[i] + x.data<const float>()[i];
  EXPECT_EQ(total, 8);
  (void)ops::mul(y, y);
  (void)ops::sum(ops::to(y, DType::Float64));
  (void)ops::matmul(ops::view(x, {1, 2}), ops::view(x, {2, 1}));
  (void)linear(ops::view(x, {1, 2}), ones({3, 2}));
  (void)softmax(y, 0);
  (void)ops::stack({y, y}, 0);
  (void)ops::max_with_index(y, 0);
  backward(loss);
  EXPECT_THAT(grad(x).to_vector(), ElementsAre(2, 4));
}

TEST(TapeTruth, OptimizersAndRunningStatisticsMayWrite) {
  const Tensor weight = leaf({2});
  for (int step = 0; step < 3; ++step) {
    set_grad(weight, {});
    backward(sum(mul(weight, weight)));
    const NoGradGuard no_grad;
    ops::add_(weight, grad(weight), -0.25);
  }
  EXPECT_THAT(weight.to_vector(), ElementsAre(0.25));
  // The statistics of one pass are no part of its gradient.
  const Tensor x = Generator(1).normal({4, 2}), gamma = leaf({1, 1}), beta = leaf({0, 0});
  const Tensor mean = zeros({2}), var = ones({2});
  const Tensor first = batch_norm(x, gamma, beta, mean, var), second = batch_norm(x, gamma, beta, mean, var);
  EXPECT_EQ(error_of([&] { backward(sum(mul(first, second))); }), "");
}

TEST(TapeTruth, TheBodyOfAFunctionAndARuleMayUsePlainOps) {
  const auto cube = [](const Tensor& x) {
    const OpScope scope("cube", {{"x", x}});
    return record("cube", ops::mul(ops::mul(x, x), x), {x}, [x_ = Saved(x)](const Tensor& dy, const NeedsGrad&) {
      return Grads{ops::mul(dy, ops::mul(ops::mul(x_.get(), x_.get()), 3.0))};
    });
  };
  const Tensor x = leaf({2});
  backward(cube(x));
  EXPECT_THAT(grad(x).to_vector(), ElementsAre(12));
  EXPECT_EQ(error_of([&] { cube(Tensor()); }), "cube: x is undefined");
  // The scope ends with the body, also by way of an exception.
  EXPECT_THAT(error_of([&] { ops::mul(x, x); }), HasSubstr("ops::mul: a"));
}

TEST(TapeTruth, ACheckpointedStretchIsWatchedInBothRuns) {
  const Tensor x = leaf({2});
  bool second = false;
  const Tensor y = checkpoint(
      [&](const std::vector<Tensor>& in) {
        if (second) ops::mul(in[0], in[0]);
        second = true;
        return mul(in[0], in[0]);
      },
      {x});
  EXPECT_THAT(error_of([&] { backward(y); }), HasSubstr("ops::mul: a (float32 [1] on cpu, a leaf)"));
}

TEST(TapeTruth, UndefinedArgumentsAreNamed) {
  const Tensor x = ones({2, 2});
  EXPECT_EQ(error_of([&] { add(Tensor(), x); }), "add: a is undefined");
  EXPECT_EQ(error_of([&] { mul(x, Tensor()); }), "mul: b is undefined");
  EXPECT_EQ(error_of([&] { ops::div(x, Tensor()); }), "div: b is undefined");
  EXPECT_EQ(error_of([&] { sum(Tensor()); }), "sum: x is undefined");
  EXPECT_EQ(error_of([&] { select(Tensor(), 0, 0); }), "select: x is undefined");
  EXPECT_EQ(error_of([&] { cat({x, Tensor()}, 0); }), "cat: input 1 is undefined");
  EXPECT_EQ(error_of([&] { stack({Tensor(), x}, 0); }), "stack: input 0 is undefined");
  EXPECT_EQ(error_of([&] { conv2d(ones({1, 1, 3, 3}), Tensor()); }), "conv2d: weight is undefined");
  EXPECT_EQ(error_of([&] { linear(Tensor(), x); }), "linear: x is undefined");
  EXPECT_EQ(error_of([&] { softmax(Tensor(), 0); }), "softmax: x is undefined");
  EXPECT_EQ(error_of([&] { ops::copy_(Tensor(), x); }), "copy_: target is undefined");
  EXPECT_EQ(error_of([&] { batch_norm(x, x, Tensor(), x, x); }), "batch_norm: beta is undefined");
}

// A rule keeps an operand only where another one's gradient asks for it.
TEST(TapeTruth, FrozenWeightsSaveNothing) {
  const Tensor x = ones({64, 64});
  set_requires_grad(x, true);
  const Tensor frozen = ones({64, 64});
  const auto overwritten = [&](const Tensor& y, const Tensor& operand) {
    {
      const NoGradGuard no_grad;
      ops::fill_(operand, 5.0);
    }
    return error_of([&] { backward(sum(y)); });
  };
  // The input is of no use for the gradient with respect to itself.
  const auto inner = [&] { return add(x, 0.0); };
  for (const auto& function : std::vector<std::function<Tensor(const Tensor&)>>{
           [&](const Tensor& h) { return linear(h, frozen); }, [&](const Tensor& h) { return matmul(h, frozen); },
           [&](const Tensor& h) { return div(h, frozen); }}) {
    const Tensor h = detach(inner());
    set_requires_grad(h, true);
    EXPECT_EQ(overwritten(function(h), h), "");
  }
}

TEST(TapeTruth, EdgesFollowPyTorch) {
  const double nan = std::nan("");
  const auto gradient = [](const std::function<Tensor(const Tensor&)>& f, std::initializer_list<double> values) {
    const Tensor x = leaf(values);
    backward(sum(f(x)));
    return grad(x).to_vector();
  };
  EXPECT_THAT(gradient([](const Tensor& x) { return clamp(x, -1, 1); }, {-2, -1, 0, 1, nan}),
              ElementsAre(0, 0, 1, 0, 0));
  EXPECT_THAT(gradient([](const Tensor& x) { return relu(x); }, {-1, 0, 2, nan}), ElementsAre(0, 0, 1, 1));
  EXPECT_FALSE(std::signbit(abs(from_values({-0.0}, {1})).item()));
  const Tensor s = scalar(3.0);
  for (const int dim : {0, -1}) {
    EXPECT_EQ(sum(s, {dim}).item(), 3);
    EXPECT_EQ(mean(s, {dim}, true).sizes(), Shape{});
    EXPECT_EQ(max(s, dim).item(), 3);
    EXPECT_EQ(softmax(s, dim).item(), 1);
    EXPECT_EQ(squeeze(s, dim).sizes(), Shape{});
  }
  EXPECT_THAT(error_of([&] { sum(s, {1}); }), HasSubstr("sum: dimension 1 is out of range for a tensor of rank 0"));
  const Tensor x = from_values({1, 2, 3, 4, 5, 6}, {2, 3});
  EXPECT_EQ(sum(x, {}).item(), 21);
  EXPECT_EQ(sum(x, {}, true).sizes(), (Shape{1, 1}));
  EXPECT_EQ(mean(x, {}).item(), 3.5);
  EXPECT_THAT(select(x, 1, -1).to_vector(), ElementsAre(3, 6));
  EXPECT_THAT(ops::select(x, 0, -2).to_vector(), ElementsAre(1, 2, 3));
  EXPECT_THAT(error_of([&] { select(x, 0, -3); }), HasSubstr("select: index -3 is not within dimension 0 of [2,3]"));
  EXPECT_EQ(squeeze(x, 0).sizes(), x.sizes());
  EXPECT_TRUE(std::isnan(mean(zeros({0, 2})).item()));
  EXPECT_TRUE(std::isnan(mean(zeros({0, 2}), {0}).to_vector().at(1)));
  EXPECT_EQ(cat({zeros({0}), x, zeros({0})}, 0).to_vector(), x.to_vector());
  EXPECT_EQ(cat({zeros({0}), zeros({0})}, 0).sizes(), Shape{0});
  EXPECT_THAT(gradient([](const Tensor& x) { return squeeze(mul(x, 2.0), 0); }, {1, 2}), ElementsAre(2, 2));
  const Tensor nothing = zeros({0});
  set_requires_grad(nothing, true);
  backward(sum(cat({nothing, x}, 1)));
  EXPECT_EQ(grad(nothing).sizes(), Shape{0});
  const Tensor zero_dim = scalar(2.0);
  set_requires_grad(zero_dim, true);
  backward(add(add(sum(zero_dim, {0}), max(zero_dim, 0)), softmax(zero_dim, 0)));
  EXPECT_EQ(grad(zero_dim).item(), 2);
}

}  // namespace
}  // namespace bevgrad
