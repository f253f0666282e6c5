// Rows of the losses of the network. Their references are written in plain numbers from the papers' definitions.
#include "nn/losses.h"

#include <cmath>

#include "nn/cases/losses.h"

namespace bevgrad::testing {
namespace {

using Tensors = std::vector<Tensor>;

const Shape kSizes = {2, 3, 4, 5};
const std::vector<double> kWeights = {1, 2, 0.5};

double sigmoid_of(double x) {
  return 1 / (1 + std::exp(-x));
}

/// 1 in every fifth cell, every seventh ignored.
Tensor labels(const Shape& sizes = kSizes) {
  const Tensor t = zeros(sizes, {DType::UInt8});
  for (int64_t i = 0; i < t.numel(); ++i) t.data<uint8_t>()[i] = i % 7 == 3 ? 255 : i % 5 == 1 ? 1 : 0;
  return t;
}

Tensor heat(const Shape& sizes = kSizes) {
  const Tensor t = zeros(sizes, {DType::Float64});
  for (int64_t i = 0; i < t.numel(); ++i)
    t.data<double>()[i] = i % 11 == 4 ? -1 : i % 9 == 2 ? 1 : 0.9 * static_cast<double>(i % 10) / 10;
  return t;
}

Tensor number(double value) {
  return full({}, value, {DType::Float64});
}

OpFunction focal_reference(double alpha, double gamma, bool weighted) {
  return [=](const Tensors& x) {
    const auto values = x[0].to_vector(), t = labels().to_vector();
    double sum = 0, positives = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      if (t[i] == 255) continue;
      const double p = sigmoid_of(values[i]), weight = weighted ? kWeights[i / 20 % 3] : 1;
      positives += t[i];
      sum -= weight * (t[i] == 1 ? alpha * std::pow(1 - p, gamma) * std::log(p)
                                 : (1 - alpha) * std::pow(p, gamma) * std::log(1 - p));
    }
    return number(sum / positives);
  };
}

OpFunction dice_reference(double smooth, bool weighted) {
  return [=](const Tensors& x) {
    const auto values = x[0].to_vector(), t = labels().to_vector();
    double loss = 0, weights = 0;
    for (size_t c = 0; c < 3; ++c) {
      double both = 0, sum = 0;
      for (size_t i = 0; i < values.size(); ++i) {
        if (i / 20 % 3 != c || t[i] == 255) continue;
        both += sigmoid_of(values[i]) * t[i];
        sum += sigmoid_of(values[i]) + t[i];
      }
      const double weight = weighted ? kWeights[c] : 1;
      loss += weight * (1 - (2 * both + smooth) / (sum + smooth));
      weights += weight;
    }
    return number(loss / weights);
  };
}

OpFunction gaussian_reference(double alpha, double beta) {
  return [=](const Tensors& x) {
    const auto values = x[0].to_vector(), t = heat().to_vector();
    double sum = 0, peaks = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      if (t[i] < 0) continue;
      const double p = sigmoid_of(values[i]);
      peaks += t[i] == 1;
      sum -= t[i] == 1 ? std::pow(1 - p, alpha) * std::log(p)
                       : std::pow(1 - t[i], beta) * std::pow(p, alpha) * std::log(1 - p);
    }
    return number(sum / peaks);
  };
}

OpError wrong(std::function<void()> call, std::string expected) {
  return {std::move(call), std::move(expected)};
}

}  // namespace

std::vector<OpCase> loss_cases() {
  const OpInput logits = {kSizes, -4, 4};
  const std::vector<Shape> none = {{0, 3, 4, 5}};
  return {
      {.op = "sigmoid_focal_loss",
       .inputs = {logits},
       .function = [](const Tensors& x) { return sigmoid_focal_loss(x[0], labels(x[0].sizes())); },
       .reference = focal_reference(0.25, 2, false),
       .empty = none,
       .errors =
           {wrong(
                [] {
                  sigmoid_focal_loss(zeros({1, 2, 3, 3}), zeros({1, 2, 3, 4}, {DType::UInt8}));
                },
                "sigmoid_focal_loss"),
            wrong(
                [] {
                  sigmoid_focal_loss(zeros({1, 2, 3, 3}), zeros({1, 2, 3, 3}, {DType::UInt8}), {.class_weights = {1}});
                },
                "1 class weights were given for 2 classes")}},
      {.op = "sigmoid_focal_loss",
       .variant = "options",
       .inputs = {logits},
       .function =
           [](const Tensors& x) {
             return sigmoid_focal_loss(x[0], labels(), {0.6, 1.5, kWeights});
           },
       .reference = focal_reference(0.6, 1.5, true)},
      {.op = "soft_dice_loss",
       .inputs = {logits},
       .function = [](const Tensors& x) { return soft_dice_loss(x[0], labels(x[0].sizes())); },
       .reference = dice_reference(1, false),
       .empty = none,
       .errors = {wrong(
           [] {
             soft_dice_loss(zeros({1, 2, 3, 3}), zeros({1, 2, 3, 3}, {DType::UInt8}), {.class_weights = {0, 0}});
           },
           "the class weights add up to 0")}},
      {.op = "soft_dice_loss",
       .variant = "options",
       .inputs = {logits},
       .function =
           [](const Tensors& x) {
             return soft_dice_loss(x[0], labels(), {0.3, kWeights});
           },
       .reference = dice_reference(0.3, true)},
      {.op = "gaussian_focal_loss",
       .inputs = {logits},
       .function = [](const Tensors& x) { return gaussian_focal_loss(x[0], heat(x[0].sizes())); },
       .reference = gaussian_reference(2, 4),
       .empty = none,
       .errors = {wrong(
           [] {
             gaussian_focal_loss(zeros({1, 2, 3, 3}), zeros({1, 2, 3, 3}, {DType::UInt8}));
           },
           "gaussian_focal_loss")}},
      {.op = "gaussian_focal_loss",
       .variant = "options",
       .inputs = {logits},
       .function =
           [](const Tensors& x) {
             return gaussian_focal_loss(x[0], heat(), {1.5, 3});
           },
       .reference = gaussian_reference(1.5, 3)},
      {.op = "indexed_l1_loss",
       .inputs = {{kSizes}},
       .function =
           [](const Tensors& x) {
             const Tensor wanted =
                 from_values({3, -2, 5, NAN, 4, -6, 2, 7, -3}, {3, 3}, {x[0].dtype(), {}, x[0].device()});
             return indexed_l1_loss(x[0], from_values({0, 39, 39}, {3}, {DType::Int64}), wanted, kWeights);
           },
       .reference =
           [](const Tensors& x) {
             const auto v = x[0].to_vector();
             const auto at = [&](size_t n, size_t c, size_t cell) { return v[(n * 3 + c) * 20 + cell]; };
             const double sum = std::abs(at(0, 0, 0) - 3) + 2 * std::abs(at(0, 1, 0) + 2) +
                                0.5 * std::abs(at(0, 2, 0) - 5) + 2 * std::abs(at(1, 1, 19) - 4) +
                                0.5 * std::abs(at(1, 2, 19) + 6) + std::abs(at(1, 0, 19) - 2) +
                                2 * std::abs(at(1, 1, 19) - 7) + 0.5 * std::abs(at(1, 2, 19) + 3);
             return number(sum / 3);
           },
       .errors = {wrong(
           [] {
             indexed_l1_loss(zeros({1, 2, 3, 3}), zeros({1}, {DType::Int64}), zeros({1, 3}));
           },
           "indexed_l1_loss")}},
      {.op = "indexed_cross_entropy",
       .inputs = {{kSizes}},
       .function =
           [](const Tensors& x) {
             const Tensor targets = from_values({1, 0, 0, 0, 2, 0, 0.5, 0, 0.25}, {3, 3}, {DType::Float64});
             return indexed_cross_entropy(x[0], from_values({0, 19, 39}, {3}, {DType::Int64}), targets);
           },
       .reference =
           [](const Tensors& x) {
             const auto v = x[0].to_vector();
             const auto log_share = [&](size_t n, size_t c, size_t cell) {
               const auto at = [&](size_t k) { return v[(n * 3 + k) * 20 + cell]; };
               return at(c) - std::log(std::exp(at(0)) + std::exp(at(1)) + std::exp(at(2)));
             };
             return number(-(log_share(0, 0, 0) + 2 * log_share(0, 1, 19) + 0.5 * log_share(1, 0, 19) +
                             0.25 * log_share(1, 2, 19)) /
                           3.75);
           },
       .errors = {wrong(
           [] {
             indexed_cross_entropy(zeros({1, 2, 3, 3}), zeros({1}, {DType::Int64}), zeros({1, 3}, {DType::Float64}));
           },
           "indexed_cross_entropy")}},
  };
}

}  // namespace bevgrad::testing
