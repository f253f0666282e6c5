// The losses against their definitions written out, and their gradients against central differences.
#include "nn/losses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "autograd/batch_sync.h"
#include "autograd/functions/pointwise.h"
#include "autograd/gradcheck.h"
#include "support/devices.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

const TensorOptions kDouble{DType::Float64};

// Targets of 0 and 1 with some ignored cells. Larger than a block of the kernels.
struct Example {
  Tensor logits, targets;
};

Example example(const Shape& sizes, uint64_t seed = 3) {
  Generator generator(seed);
  Example result{generator.uniform(sizes, -6, 6, kDouble), empty(sizes, {DType::UInt8})};
  for (int64_t i = 0; i < result.targets.numel(); ++i) {
    const uint64_t draw = generator.next_below(10);
    result.targets.data<uint8_t>()[i] = draw < 2 ? 1 : (draw == 2 ? 255 : 0);
  }
  return result;
}

double sigmoid_of(double x) {
  return 1 / (1 + std::exp(-x));
}

double focal_definition(const Example& e, double alpha, double gamma, const std::vector<double>& weights) {
  const auto x = e.logits.to_vector(), t = e.targets.to_vector();
  const int64_t plane = e.logits.size(2) * e.logits.size(3), classes = e.logits.size(1);
  double sum = 0, positives = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    if (t[i] == 255) continue;
    const double p = sigmoid_of(x[i]), weight = weights[static_cast<int64_t>(i) / plane % classes];
    positives += t[i] == 1;
    sum -= weight * (t[i] == 1 ? alpha * std::pow(1 - p, gamma) * std::log(p)
                               : (1 - alpha) * std::pow(p, gamma) * std::log(1 - p));
  }
  return sum / std::max(1.0, positives);
}

TEST(SigmoidFocalLoss, IsItsDefinition) {
  const Example e = example({3, 9, 17, 23});
  const std::vector<double> weights = {1, 2, 0.5, 1, 1, 3, 1, 0, 1};
  for (double gamma : {2.0, 1.5}) {
    const double expected = focal_definition(e, 0.25, gamma, weights);
    const FocalOptions options{0.25, gamma, weights};
    EXPECT_NEAR(sigmoid_focal_loss(e.logits, e.targets, options).item(), expected, 1e-12 * expected);
    EXPECT_NEAR(sigmoid_focal_loss(ops::to(e.logits, DType::Float32), e.targets, options).item(), expected,
                1e-5 * expected);
    EXPECT_NEAR(sigmoid_focal_loss(ops::contiguous(e.logits, MemoryFormat::ChannelsLast), e.targets, options).item(),
                expected, 1e-12 * expected);
  }
}

TEST(SigmoidFocalLoss, Gradcheck) {
  const Example e = example({2, 3, 4, 5});
  for (double gamma : {2.0, 1.5})
    EXPECT_EQ(gradcheck("sigmoid_focal_loss",
                        [&](const std::vector<Tensor>& x) {
                          return sigmoid_focal_loss(x[0], e.targets, {0.25, gamma, {1, 2, 0.5}});
                        },
                        {e.logits}),
              "");
}

TEST(SigmoidFocalLoss, ExtremeLogitsStayFinite) {
  const Tensor logits = from_values({200, -200, 200, -200, 1e30, -1e30}, {1, 1, 1, 6});
  const Tensor targets = from_values({1, 1, 0, 0, 1, 0}, {1, 1, 1, 6}, {DType::UInt8});
  set_requires_grad(logits, true);
  const Tensor loss = sigmoid_focal_loss(logits, targets);
  EXPECT_NEAR(loss.item(), (0.25 * 200 + 0.75 * 200) / 3, 1e-3);
  backward(loss);
  const auto slopes = grad(logits).to_vector();
  EXPECT_NEAR(slopes[0], 0, 1e-7);
  EXPECT_NEAR(slopes[1], -0.25 / 3, 1e-6);
  EXPECT_NEAR(slopes[2], 0.75 / 3, 1e-6);
  EXPECT_NEAR(slopes[3], 0, 1e-7);
}

TEST(SigmoidFocalLoss, IgnoredCellsAndNoPositives) {
  Example e = example({1, 2, 3, 3});
  for (int64_t i = 0; i < 18; ++i) e.targets.data<uint8_t>()[i] = 255;
  set_requires_grad(e.logits, true);
  const Tensor loss = sigmoid_focal_loss(e.logits, e.targets);
  EXPECT_EQ(loss.item(), 0);
  backward(loss);
  EXPECT_EQ(grad(e.logits).to_vector(), std::vector<double>(18, 0.0));
}

TEST(SigmoidFocalLoss, SameBitsForEveryLayoutOfThreads) {
  const Example e = example({2, 9, 64, 64});
  const Tensor x = ops::to(e.logits, DType::Float32);
  const double first = sigmoid_focal_loss(x, e.targets).item();
  EXPECT_EQ(sigmoid_focal_loss(x, e.targets).item(), first);
}

TEST(SoftDiceLoss, IsItsDefinition) {
  const Example e = example({3, 4, 17, 23});
  const std::vector<double> weights = {1, 2, 0.5, 1};
  const auto x = e.logits.to_vector(), t = e.targets.to_vector();
  double both[4] = {}, predicted[4] = {}, present[4] = {}, expected = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const size_t c = i / (17 * 23) % 4;
    if (t[i] == 255) continue;
    both[c] += t[i] * sigmoid_of(x[i]);
    predicted[c] += sigmoid_of(x[i]);
    present[c] += t[i];
  }
  for (int c = 0; c < 4; ++c) expected += weights[c] / 4.5 * (1 - (2 * both[c] + 1) / (predicted[c] + present[c] + 1));
  EXPECT_NEAR(soft_dice_loss(e.logits, e.targets, {1.0, weights}).item(), expected, 1e-12);
  EXPECT_NEAR(soft_dice_loss(ops::to(e.logits, DType::Float32), e.targets, {1.0, weights}).item(), expected, 1e-5);
}

TEST(SoftDiceLoss, Gradcheck) {
  const Example e = example({2, 3, 4, 5});
  EXPECT_EQ(gradcheck("soft_dice_loss",
                      [&](const std::vector<Tensor>& x) {
                        return soft_dice_loss(x[0], e.targets, {1.0, {1, 2, 0.5}});
                      },
                      {e.logits}),
            "");
}

TEST(SoftDiceLoss, APerfectPredictionCostsNothing) {
  Example e = example({2, 2, 8, 8});
  for (int64_t i = 0; i < e.logits.numel(); ++i)
    e.logits.data<double>()[i] = e.targets.data<uint8_t>()[i] == 1 ? 50 : -50;
  EXPECT_NEAR(soft_dice_loss(e.logits, e.targets).item(), 0, 1e-12);
}

Example heat_map_example(const Shape& sizes) {
  Generator generator(9);
  Example result{generator.uniform(sizes, -6, 6, kDouble), generator.uniform(sizes, 0, 0.95, kDouble)};
  for (int64_t i = 0; i < result.targets.numel(); i += 7) result.targets.data<double>()[i] = 1;
  for (int64_t i = 3; i < result.targets.numel(); i += 11) result.targets.data<double>()[i] = -1;
  return result;
}

TEST(GaussianFocalLoss, IsItsDefinition) {
  const Example e = heat_map_example({2, 3, 27, 31});
  const auto x = e.logits.to_vector(), t = e.targets.to_vector();
  for (double beta : {4.0, 3.0}) {
    double sum = 0, peaks = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      if (t[i] < 0) continue;
      const double p = sigmoid_of(x[i]);
      peaks += t[i] == 1;
      sum -= t[i] == 1 ? std::pow(1 - p, 2) * std::log(p) : std::pow(1 - t[i], beta) * p * p * std::log(1 - p);
    }
    const GaussianFocalOptions options{2.0, beta};
    EXPECT_NEAR(gaussian_focal_loss(e.logits, e.targets, options).item(), sum / peaks, 1e-11);
    EXPECT_NEAR(gaussian_focal_loss(ops::to(e.logits, DType::Float32), e.targets, options).item(), sum / peaks, 1e-5);
  }
}

TEST(GaussianFocalLoss, Gradcheck) {
  const Example e = heat_map_example({2, 2, 3, 5});
  for (double beta : {4.0, 3.0})
    EXPECT_EQ(gradcheck("gaussian_focal_loss",
                        [&](const std::vector<Tensor>& x) {
                          return gaussian_focal_loss(x[0], e.targets, {2.0, beta});
                        },
                        {e.logits}),
              "");
}

TEST(IndexedL1Loss, IsItsDefinition) {
  const Tensor predicted = Generator(2).uniform({2, 3, 2, 2}, -1, 1, kDouble);
  const Tensor cells = from_values({0, 5, 5}, {3}, {DType::Int64});
  const Tensor targets = from_values({0, 1, 2, 3, NAN, 5, -3, -4, -5}, {3, 3}, kDouble);
  const std::vector<double> weights = {1, 0.5, 0.2};
  const auto p = predicted.to_vector();
  auto at = [&](int64_t cell, int64_t c) { return p[static_cast<size_t>((cell / 4 * 3 + c) * 4 + cell % 4)]; };
  const double expected = (std::abs(at(0, 0) - 0) + 0.5 * std::abs(at(0, 1) - 1) + 0.2 * std::abs(at(0, 2) - 2) +
                           std::abs(at(5, 0) - 3) + 0.2 * std::abs(at(5, 2) - 5) + std::abs(at(5, 0) + 3) +
                           0.5 * std::abs(at(5, 1) + 4) + 0.2 * std::abs(at(5, 2) + 5)) /
                          3;
  EXPECT_NEAR(indexed_l1_loss(predicted, cells, targets, weights).item(), expected, 1e-12);
  EXPECT_EQ(gradcheck("indexed_l1_loss",
                      [&](const std::vector<Tensor>& x) { return indexed_l1_loss(x[0], cells, targets, weights); },
                      {predicted}),
            "");
}

TEST(IndexedL1Loss, NoObjectsCostNothing) {
  const Tensor predicted = ones({1, 3, 2, 2});
  set_requires_grad(predicted, true);
  const Tensor loss = indexed_l1_loss(predicted, zeros({0}, {DType::Int64}), zeros({0, 3}));
  EXPECT_EQ(loss.item(), 0);
  backward(loss);
  EXPECT_EQ(grad(predicted).to_vector(), std::vector<double>(12, 0.0));
}

TEST(IndexedCrossEntropy, NoCellsCostNothing) {
  const Tensor predicted = ones({1, 3, 2, 2});
  set_requires_grad(predicted, true);
  const Tensor loss = indexed_cross_entropy(predicted, zeros({0}, {DType::Int64}), zeros({0, 3}, kDouble));
  EXPECT_EQ(loss.item(), 0);
  backward(loss);
  EXPECT_EQ(grad(predicted).to_vector(), std::vector<double>(12, 0.0));
}

TEST(Losses, SayWhatIsWrong) {
  auto error_of = [](auto&& call) -> std::string {
    try {
      call();
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  using ::testing::HasSubstr;
  const Tensor logits = zeros({1, 2, 3, 3});
  EXPECT_THAT(error_of([&] {
                sigmoid_focal_loss(logits, zeros({1, 2, 3, 3}));
              }),
              HasSubstr("sigmoid_focal_loss: logits float32 [1,2,3,3] on cpu and targets float32 [1,2,3,3] on cpu"));
  EXPECT_THAT(error_of([&] {
                sigmoid_focal_loss(logits, full({1, 2, 3, 3}, 7, {DType::UInt8}));
              }),
              HasSubstr("sigmoid_focal_loss: a label is 7, expected 0, 1 or 255"));
  EXPECT_THAT(error_of([&] {
                soft_dice_loss(logits, zeros({1, 2, 3, 3}, {DType::UInt8}), {1.0, {1, 2, 3}});
              }),
              HasSubstr("soft_dice_loss: 3 class weights were given for 2 classes"));
  EXPECT_THAT(error_of([&] {
                gaussian_focal_loss(logits, zeros({1, 2, 3, 4}));
              }),
              HasSubstr("gaussian_focal_loss: logits float32 [1,2,3,3] on cpu and targets float32 [1,2,3,4] on cpu"));
  EXPECT_THAT(error_of([&] {
                indexed_l1_loss(logits, from_values({9}, {1}, {DType::Int64}), zeros({1, 2}));
              }),
              HasSubstr("gather_cells: row 0 goes to cell 9 of 9"));
  EXPECT_THAT(error_of([&] {
                indexed_cross_entropy(logits, zeros({1}, {DType::Int64}), from_values({1, -2}, {1, 2}, kDouble));
              }),
              HasSubstr("indexed_cross_entropy: a target is -2, expected 0 or more"));
}

// Values and gradients of every loss are the CPU's, with targets on either side.
TEST(Losses, DevicesAgree) {
  using Loss = std::function<Tensor(const Tensor&, const Tensor&)>;
  const Example labels = example({2, 5, 33, 29}), heat = heat_map_example({2, 3, 27, 31});
  const std::vector<double> weights = {1, 2, 0.5, 1, 3};
  const std::pair<Example, Loss> losses[] = {
      {labels,
       [&](const Tensor& x, const Tensor& t) {
         return sigmoid_focal_loss(x, t, {0.25, 2.0, weights});
       }},
      {labels,
       [&](const Tensor& x, const Tensor& t) {
         return sigmoid_focal_loss(x, t, {0.25, 1.5, {}});
       }},
      {labels,
       [&](const Tensor& x, const Tensor& t) {
         return soft_dice_loss(x, t, {1.0, weights});
       }},
      {heat, [](const Tensor& x, const Tensor& t) { return gaussian_focal_loss(x, t); }},
      {heat, [](const Tensor& x, const Tensor& t) {
         return gaussian_focal_loss(x, t, {2.0, 3.0});
       }}};
  for (const auto& [example, loss] : losses) {
    for (const DType dtype : {DType::Float64, DType::Float32, DType::BFloat16}) {
      std::vector<std::vector<double>> results;
      for (const Device device : test_devices()) {
        for (const Device targets : {Device(), device}) {
          const Tensor x = ops::clone(ops::to(ops::to(example.logits, dtype), device));
          set_requires_grad(x, true);
          const Tensor y = loss(x, ops::to(example.targets, targets));
          EXPECT_EQ(y.device(), device);
          backward(mul(y, 3.0));
          results.push_back(grad(x).to_vector());
          results.back().push_back(y.item());
        }
      }
      const double tolerance = dtype == DType::Float64 ? 1e-12 : dtype == DType::Float32 ? 1e-5 : 1e-2;
      for (const auto& result : results) {
        ASSERT_EQ(result.size(), results[0].size());
        for (size_t i = 0; i < result.size(); ++i)
          ASSERT_NEAR(result[i], results[0][i], tolerance * std::max(1e-3, std::abs(results[0][i]))) << name(dtype);
      }
    }
  }
}

TEST(Losses, AWrongLabelIsNamedOnEveryDevice) {
  for (const Device device : test_devices()) {
    const Tensor logits = zeros({1, 2, 3, 3}, {.device = device});
    for (const auto& loss : {+[](const Tensor&x, const Tensor&t) { return sigmoid_focal_loss(x, t); },
                             +[](const Tensor&x, const Tensor&t) { return soft_dice_loss(x, t); }}) {
      try {
        loss(logits, full({1, 2, 3, 3}, 7, {DType::UInt8}));
        ADD_FAILURE() << "no error on " << to_string(device);
      } catch (const Error& error) {
        EXPECT_THAT(error.what(), ::testing::HasSubstr("a label is 7, expected 0, 1 or 255"));
      }
    }
  }
}

TEST(IndexedL1Loss, DevicesAgree) {
  const Tensor cells = from_values({0, 5, 5}, {3}, {DType::Int64});
  const Tensor targets = from_values({0, 1, 2, 3, NAN, 5, -3, -4, -5}, {3, 3}, kDouble);
  std::vector<std::vector<double>> results;
  for (const Device device : test_devices()) {
    const Tensor predicted = ops::to(Generator(2).uniform({2, 3, 2, 2}, -1, 1, kDouble), device);
    set_requires_grad(predicted, true);
    const Tensor loss = indexed_l1_loss(predicted, cells, targets, {1, 0.5, 0.2});
    backward(loss);
    results.push_back(grad(predicted).to_vector());
    results.back().push_back(loss.item());
    for (size_t i = 0; i < results[0].size(); ++i) EXPECT_NEAR(results.back()[i], results[0][i], 1e-12);
  }
}

TEST(SoftDiceLoss, SmoothsByWhatIsAsked) {
  const Example e = example({2, 2, 5, 7});
  const auto x = e.logits.to_vector(), t = e.targets.to_vector();
  for (const double smooth : {0.25, 3.0}) {
    double expected = 0;
    for (size_t c = 0; c < 2; ++c) {
      double both = 0, sum = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        if (i / 35 % 2 != c || t[i] == 255) continue;
        both += t[i] * sigmoid_of(x[i]);
        sum += sigmoid_of(x[i]) + t[i];
      }
      expected += 0.5 * (1 - (2 * both + smooth) / (sum + smooth));
    }
    EXPECT_NEAR(soft_dice_loss(e.logits, e.targets, {.smooth = smooth}).item(), expected, 1e-12);
    EXPECT_EQ(
        gradcheck("soft_dice_loss",
                  [&](const std::vector<Tensor>& v) { return soft_dice_loss(v[0], e.targets, {.smooth = smooth}); },
                  {e.logits}),
        "");
  }
}

// Two processes with the same batch: every sum doubles, and each process has half of the whole batch's loss.
TEST(Losses, AreThisProcessesShareOfTheWholeBatch) {
  BatchSync twins;
  twins.sum = [](std::span<double> values) {
    for (double& value : values) value *= 2;
  };
  twins.processes = 2;
  const Example labels = example({2, 3, 9, 7}), heat = heat_map_example({2, 3, 9, 7});
  const Tensor cells = from_values({0, 5, 5}, {3}, {DType::Int64}), wanted = ones({3, 3}, kDouble);
  const std::function<Tensor(const Tensor&)> losses[] = {
      [&](const Tensor& x) { return sigmoid_focal_loss(x, labels.targets); },
      [&](const Tensor& x) { return soft_dice_loss(x, labels.targets); },
      [&](const Tensor& x) { return gaussian_focal_loss(x, heat.targets); },
      [&](const Tensor& x) { return indexed_l1_loss(x, cells, wanted); }};
  for (size_t i = 0; i < std::size(losses); ++i) {
    SCOPED_TRACE(i);
    const auto run = [&](const BatchSync* sync) {
      const BatchSyncGuard guard(sync);
      const Tensor x = ops::clone(labels.logits);
      set_requires_grad(x, true);
      const Tensor y = losses[i](x);
      backward(y);
      std::vector<double> values = grad(x).to_vector();
      values.push_back(y.item());
      return values;
    };
    const std::vector<double> alone = run(nullptr), shared = run(&twins);
    // Dice is no sum over cells: its smoothing counts once, so that twins are not quite a doubled batch.
    const double tolerance = i == 1 ? 0.02 * std::abs(alone.back()) : 1e-12;
    for (size_t j = 0; j < alone.size(); ++j) ASSERT_NEAR(2 * shared[j], alone[j], tolerance) << j;
    BatchSync without = twins;
    without.losses = false;
    EXPECT_EQ(run(&without), alone);
  }
}

}  // namespace
}  // namespace bevgrad
