// Losses of boxes, sets and overlaps against their definitions in plain numbers, and their gradients.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "autograd/functions.h"
#include "autograd/gradcheck.h"
#include "nn/box_losses.h"
#include "nn/lovasz.h"
#include "nn/set_losses.h"
#include "support/error_of.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using Tensors = std::vector<Tensor>;
using Values = std::vector<double>;

Tensor doubles(const Values& values, const Shape& sizes) {
  return from_values(values, sizes, {DType::Float64});
}

TEST(BoxLosses, AreOneMinusTheOverlap) {
  const Tensor a = doubles({0, 0, 2, 2, 0, 0, 1, 1, 0, 0, 2, 1, 1, 1, 1, 1}, {4, 4});
  const Tensor b = doubles({1, 1, 3, 3, 2, 2, 3, 3, 0, 0, 2, 1, 1, 1, 1, 1}, {4, 4});
  const Values iou = iou_loss(a, b, Reduction::None).to_vector();
  EXPECT_NEAR(iou[0], 1 - 1.0 / 7, 1e-12);
  EXPECT_NEAR(iou[1], 1, 1e-12);
  EXPECT_NEAR(iou[2], 0, 1e-12);
  EXPECT_NEAR(iou[3], 1, 1e-12);  // both empty
  const Values giou = giou_loss(a, b, Reduction::None).to_vector();
  EXPECT_NEAR(giou[0], 1 - (1.0 / 7 - 2.0 / 9), 1e-12);
  EXPECT_NEAR(giou[1], 1 + 7.0 / 9, 1e-12);
  EXPECT_NEAR(giou[2], 0, 1e-12);
  EXPECT_NEAR(iou_loss(a, b).item(), (iou[0] + iou[1] + iou[2] + iou[3]) / 4, 1e-12);
  const Tensor p = doubles({0, 0.1, 2, 2.3, 0, 0, 1, 1.2}, {2, 4}), t = doubles({1, 1, 3, 3, 1.4, 0.3, 3, 3}, {2, 4});
  for (const auto loss : {iou_loss, giou_loss})
    EXPECT_EQ(gradcheck("boxes", [&](const Tensors& x) { return loss(x[0], x[1], Reduction::None); }, {p, t}), "");
  EXPECT_THAT(error_of([] { iou_loss(zeros({2, 5}), zeros({2, 5})); }), HasSubstr("expected both [N,4]"));
}

TEST(BoxLosses, RotatedAgreesWithCountedPoints) {
  Generator generator(4);
  const auto inside = [](const double* box, double x, double y) {
    const double c = std::cos(box[4]), s = std::sin(box[4]), u = c * (x - box[0]) + s * (y - box[1]);
    const double v = -s * (x - box[0]) + c * (y - box[1]);
    return std::abs(u) <= box[2] / 2 && std::abs(v) <= box[3] / 2;
  };
  Values boxes;
  const Values draws = generator.uniform({12, 5}, 0, 1, {DType::Float64}).to_vector();
  for (size_t i = 0; i < 12; ++i) {
    const double* d = draws.data() + i * 5;
    boxes.insert(boxes.end(), {d[0], d[1], 1 + d[2], 0.5 + d[3], 7 * d[4] - 3});
  }
  const Tensor all = doubles(boxes, {2, 6, 5}), a = ops::select(all, 0, 0), b = ops::select(all, 0, 1);
  const Values losses = rotated_iou_loss(a, b, Reduction::None).to_vector();
  const Values p = a.to_vector(), t = b.to_vector();
  for (int64_t i = 0; i < 6; ++i) {
    int both = 0, either = 0;
    for (double x = -1.5; x < 3; x += 0.005)
      for (double y = -1.5; y < 3; y += 0.005) {
        const bool in = inside(p.data() + i * 5, x, y), there = inside(t.data() + i * 5, x, y);
        both += in && there;
        either += in || there;
      }
    EXPECT_NEAR(losses[i], 1 - static_cast<double>(both) / either, 0.01) << i;
  }
  EXPECT_EQ(
      gradcheck("rotated", [](const Tensors& x) { return rotated_iou_loss(x[0], x[1], Reduction::None); }, {a, b}), "");
  const Tensor far = doubles({9, 9, 1, 1, 0.3}, {1, 5}), near = doubles({0, 0, 1, 1, 0}, {1, 5});
  set_requires_grad(far, true);
  const Tensor loss = rotated_iou_loss(far, near);
  EXPECT_EQ(loss.item(), 1);
  backward(loss);
  EXPECT_EQ(grad(far).to_vector(), Values(5, 0.0));
  // A quarter turn of a square, a half turn of anything.
  const Tensor turned = doubles({0, 0, 1, 1, std::numbers::pi / 2}, {1, 5});
  EXPECT_NEAR(rotated_iou_loss(turned, near).item(), 0, 1e-12);
  EXPECT_THAT(error_of([&] {
                rotated_iou_loss(doubles({0, 0, 0, 1, 0}, {1, 5}), near);
              }),
              HasSubstr("box 0 is 0 long and 1 wide"));
}

// 1 - Jaccard index of the places that are wrong and the true ones, which the extension interpolates.
TEST(Lovasz, IsTheJaccardLossAtCorners) {
  const Values truth{1, 1, 0, 0, 0, 1};
  const Tensor targets = from_values(truth, {6}, {DType::Int64});
  for (int mask = 0; mask < 64; ++mask) {
    Values logits;
    int intersection = 0, joint = 0;
    for (int i = 0; i < 6; ++i) {
      const bool said = (mask >> i & 1) != 0, is = truth[i] == 1;
      logits.push_back(said ? 1 : -1);
      intersection += said && is;
      joint += said || is;
    }
    // Margins of 0 where right and of 2 where wrong: twice the loss of the set of mistakes.
    EXPECT_NEAR(lovasz_hinge(doubles(logits, {6}), targets).item(), 2 * (1 - static_cast<double>(intersection) / joint),
                1e-12)
        << mask;
  }
}

TEST(Lovasz, GradientsAndIgnoredPlaces) {
  Generator generator(3);
  const Tensor x = generator.normal({2, 3, 2, 2}, 0, 1, {DType::Float64});
  const Tensor targets = from_values({0, 2, 255, 0, 2, 2, 0, 255}, {2, 2, 2}, {DType::Int64});
  const auto loss = [&](const Tensors& in) { return lovasz_softmax(softmax(in[0], 1), targets); };
  EXPECT_EQ(gradcheck("softmax", loss, {x}), "");
  set_requires_grad(x, true);
  backward(loss({x}));
  for (int64_t c = 0; c < 3; ++c) EXPECT_EQ(ops::select(ops::select(grad(x), 0, 0), 0, c).to_vector()[2], 0);
  // Class 1 is nowhere: with it, the mean is over three.
  const double present = loss({detach(x)}).item();
  const double all = lovasz_softmax(softmax(detach(x), 1), targets, {.present_only = false}).item();
  EXPECT_GT(3 * all, 2 * present);
  const Tensor nothing = full({2, 2, 2}, 255, {DType::Int64});
  EXPECT_EQ(lovasz_softmax(softmax(detach(x), 1), nothing).item(), 0);
  EXPECT_EQ(gradcheck("hinge",
                      [](const Tensors& in) {
                        return lovasz_hinge(in[0], from_values({1, 0, 255, 1}, {4}, {DType::Int64}));
                      },
                      {generator.normal({4}, 0, 1, {DType::Float64})}),
            "");
  EXPECT_THAT(error_of([&] { lovasz_hinge(zeros({1}), from_values({2}, {1}, {DType::Int64})); }),
              HasSubstr("a target is 2, expected 0, 1 or 255"));
}

TEST(Matching, IsTheBestOfAllPermutations) {
  Generator generator(5);
  for (const auto& [rows, columns] : {std::pair<int64_t, int64_t>{1, 1}, {3, 3}, {4, 6}, {6, 4}, {5, 5}, {7, 7}})
    for (int round = 0; round < 20; ++round) {
      // Few values, so that there are ties.
      Tensor cost = generator.uniform({rows, columns}, -2, 2, {DType::Float64});
      if (round % 2 == 1) cost = ops::to(ops::to(cost, DType::Int64), DType::Float64);
      const auto [r, c] = linear_sum_assignment(cost);
      const Values at = r.to_vector(), to = c.to_vector(), values = cost.to_vector();
      ASSERT_EQ(std::ssize(at), std::min(rows, columns));
      EXPECT_TRUE(std::is_sorted(at.begin(), at.end()));
      Values unique = to;
      std::sort(unique.begin(), unique.end());
      EXPECT_EQ(std::unique(unique.begin(), unique.end()), unique.end());
      double total = 0, best = INFINITY;
      for (size_t i = 0; i < at.size(); ++i) total += values[static_cast<size_t>(at[i]) * columns + to[i]];
      const int64_t larger = std::max(rows, columns), smaller = std::min(rows, columns);
      std::vector<int64_t> order(larger);
      std::iota(order.begin(), order.end(), 0);
      do {
        double sum = 0;
        for (int64_t i = 0; i < smaller; ++i)
          sum += rows <= columns ? values[i * columns + order[i]] : values[order[i] * columns + i];
        best = std::min(best, sum);
      } while (std::next_permutation(order.begin(), order.end()));
      EXPECT_NEAR(total, best, 1e-12);
    }
}

TEST(Matching, ForbiddenPairsAndErrors) {
  const auto [r, c] = linear_sum_assignment(doubles({INFINITY, 1, 0, INFINITY}, {2, 2}));
  EXPECT_THAT(c.to_vector(), ::testing::ElementsAre(1, 0));
  EXPECT_THAT(error_of([] {
                linear_sum_assignment(doubles({INFINITY, 1, INFINITY, 0}, {2, 2}));
              }),
              HasSubstr("leave no matching for row 1"));
  EXPECT_THAT(error_of([] { linear_sum_assignment(doubles({NAN}, {1, 1})); }), HasSubstr("a cost is nan"));
  EXPECT_EQ(linear_sum_assignment(zeros({0, 3})).rows.numel(), 0);
  // The gradient goes through the chosen pairs.
  const auto loss = [](const Tensors& x) {
    const Tensor apart = sub(unsqueeze(x[0], 1), unsqueeze(x[1], 0));
    const auto [q, t] = linear_sum_assignment(sum(mul(apart, apart), {2}));
    return mse_loss(index_select(x[0], 0, q), index_select(x[1], 0, t));
  };
  Generator generator(2);
  EXPECT_EQ(
      gradcheck("matched", loss,
                {generator.normal({5, 3}, 0, 1, {DType::Float64}), generator.normal({4, 3}, 0, 1, {DType::Float64})}),
      "");
}

TEST(Chamfer, IsTheMeanDistanceToTheNearest) {
  const Tensor x = doubles({0, 0, 3, 0}, {1, 2, 2}), y = doubles({0, 1, 3, 0, 7, 0}, {1, 3, 2});
  EXPECT_NEAR(chamfer_distance(x, y).item(), (1 + 0) / 2.0 + (1 + 0 + 16) / 3.0, 1e-12);
  Generator generator(2);
  EXPECT_EQ(gradcheck("chamfer", [](const Tensors& in) { return chamfer_distance(in[0], in[1]); },
                      {generator.normal({2, 4, 3}, 0, 1, {DType::Float64}),
                       generator.normal({2, 5, 3}, 0, 1, {DType::Float64})}),
            "");
  EXPECT_THAT(error_of([] { chamfer_distance(zeros({1, 0, 2}), zeros({1, 3, 2})); }), HasSubstr("with points"));
}

TEST(InfoNce, IsCrossEntropyOfCosines) {
  const Tensor q = doubles({3, 0, 0, 2}, {2, 2}), k = doubles({1, 0, 1, 1}, {2, 2});
  const double s = std::sqrt(0.5), t = 0.5;
  const auto part = [t](double right, double wrong) { return std::log(1 + std::exp((wrong - right) / t)); };
  EXPECT_NEAR(info_nce_loss(q, k, t).item(), (part(1, s) + part(s, 0)) / 2, 1e-12);
  EXPECT_NEAR(info_nce_loss(q, k, t, true).item(), (part(1, s) + part(s, 0) + part(1, 0) + part(s, s)) / 4, 1e-12);
  EXPECT_EQ(gradcheck("info_nce", [](const Tensors& in) { return info_nce_loss(in[0], in[1], 0.3, true); },
                      {doubles({3, 0.2, 0, 2, 1, 1}, {3, 2}), doubles({1, 0, 1, 1, -1, 0.4}, {3, 2})}),
            "");
}

}  // namespace
}  // namespace bevgrad
