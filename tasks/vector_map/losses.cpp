#include "tasks/vector_map/losses.h"

#include <algorithm>
#include <cmath>

#include "autograd/batch_sync.h"
#include "autograd/functions.h"
#include "nn/losses.h"
#include "nn/set_losses.h"
#include "tasks/vector_map/vector_head.h"

namespace bevgrad {
namespace {

constexpr FocalOptions kFocal = {.alpha = 0.25, .gamma = 2.0, .class_weights = {}};

double focal_cost(double logit) {
  const double p = 1 / (1 + std::exp(-logit)), least = 1e-12;
  return -kFocal.alpha * (1 - p) * (1 - p) * std::log(p + least) + (1 - kFocal.alpha) * p * p * std::log(1 - p + least);
}

double l1(const double* predicted, const std::vector<Vec2>& points) {
  double sum = 0;
  for (const Vec2 p : points) {
    sum += std::abs(predicted[0] - p.x) + std::abs(predicted[1] - p.y);
    predicted += 2;
  }
  return sum;
}

/// What was matched, over all samples and layers.
struct Matched {
  std::vector<double> rows;     // of [N * layers * vectors]
  std::vector<double> targets;  // x, y, ..
  Tensor labels;                // uint8 [N,classes,layers,vectors]
};

Matched match_all(const Tensor& logits, const Tensor& points, const Batch& batch, const VectorClasses& classes,
                  const LabelGrid& grid, const VectorLossWeights& weights) {
  const int64_t samples = logits.size(0), layers = logits.size(1), vectors = logits.size(2);
  Matched matched{{}, {}, zeros({samples, classes.count(), layers, vectors}, {DType::UInt8})};
  uint8_t* labels = matched.labels.data<uint8_t>();
  for (int64_t n = 0; n < samples; ++n) {
    const std::vector<VectorTarget> targets = vector_targets(batch, n, classes, grid, points.size(3));
    const std::vector<bool> labelled = labelled_classes(batch, n, classes);
    for (int64_t c = 0; c < classes.count(); ++c)
      if (!labelled[static_cast<size_t>(c)])
        std::fill_n(labels + (n * classes.count() + c) * layers * vectors, layers * vectors, uint8_t{kIgnoredTarget});
    for (int64_t layer = 0; layer < layers; ++layer) {
      const auto of_layer = [&](const Tensor& all) { return ops::select(ops::select(all, 0, n), 0, layer); };
      for (const VectorMatch& match : match_vectors(of_layer(logits), of_layer(points), targets, weights)) {
        matched.rows.push_back(static_cast<double>((n * layers + layer) * vectors + match.query));
        for (const Vec2 p : match.points) matched.targets.insert(matched.targets.end(), {p.x, p.y});
        const int64_t c = targets[static_cast<size_t>(match.target)].class_id;
        labels[((n * classes.count() + c) * layers + layer) * vectors + match.query] = 1;
      }
    }
  }
  return matched;
}

/// Of vectors [M,points,2]: from each point to the next.
Tensor edges(const Tensor& x) {
  const int64_t count = x.size(1) - 1;
  return sub(narrow(x, 1, 1, count), narrow(x, 1, 0, count));
}

}  // namespace

std::vector<VectorMatch> match_vectors(const Tensor& logits, const Tensor& points,
                                       const std::vector<VectorTarget>& targets, const VectorLossWeights& weights) {
  const std::vector<double> scores = logits.to_vector(), places = points.to_vector();
  const auto finite = [](double value) { return std::isfinite(value); };
  if (targets.empty() || !std::ranges::all_of(scores, finite) || !std::ranges::all_of(places, finite)) return {};
  const int64_t vectors = logits.size(0), classes = logits.size(1), width = points.size(1) * 2;
  const auto count = static_cast<int64_t>(targets.size());
  std::vector<std::vector<std::vector<Vec2>>> orders;
  for (const VectorTarget& target : targets) orders.push_back(equivalent_orders(target));
  const auto nearest = [&](int64_t query, int64_t target) {
    return *std::ranges::min_element(orders[static_cast<size_t>(target)], {}, [&](const std::vector<Vec2>& order) {
      return l1(places.data() + query * width, order);
    });
  };
  std::vector<double> cost;
  for (int64_t q = 0; q < vectors; ++q)
    for (int64_t t = 0; t < count; ++t) {
      const int64_t class_id = targets[static_cast<size_t>(t)].class_id;
      double distance = HUGE_VAL;
      for (const std::vector<Vec2>& order : orders[static_cast<size_t>(t)])
        distance = std::min(distance, l1(places.data() + q * width, order));
      cost.push_back(weights.focal * focal_cost(scores[static_cast<size_t>(q * classes + class_id)]) +
                     weights.point_l1 * distance);
    }
  const Assignment assignment = linear_sum_assignment(from_values(cost, {vectors, count}, {DType::Float64}));
  std::vector<VectorMatch> matches;
  for (int64_t i = 0; i < assignment.rows.numel(); ++i) {
    const int64_t query = assignment.rows.data<const int64_t>()[i],
                  target = assignment.columns.data<const int64_t>()[i];
    matches.push_back({query, target, nearest(query, target)});
  }
  return matches;
}

std::vector<LossTerm> vector_losses(const NetworkOutput& output, const Batch& batch, const VectorClasses& classes,
                                    const LabelGrid& grid, const VectorLossWeights& weights) {
  const Tensor &logits = output.at(kVectorLogits), &points = output.at(kVectorPoints);
  const int64_t layers = logits.size(1), vectors = logits.size(2), width = points.size(3);
  const Matched matched =
      match_all(ops::to(detach(logits), Device()), ops::to(detach(points), Device()), batch, classes, grid, weights);
  const auto pairs = static_cast<int64_t>(matched.rows.size());
  auto whole = static_cast<double>(pairs);
  if (batch_sync() && batch_sync()->losses) batch_sync()->sum({&whole, 1});
  const double share = static_cast<double>(layers) / std::max(whole, 1.0);

  const Tensor focal = sigmoid_focal_loss(permute(logits, {0, 3, 1, 2}), matched.labels, kFocal);
  const Tensor all = reshape(points, {points.size(0) * layers * vectors, width, 2});
  Tensor l1_sum, direction_sum, edge_sum;
  if (pairs == 0) {
    l1_sum = direction_sum = edge_sum = mul(sum(all), 0);
  } else {
    const Device device = points.device();
    const Tensor rows = ops::to(from_values(matched.rows, {pairs}, {DType::Int64}), device);
    const Tensor wanted = ops::to(from_values(matched.targets, {pairs, width, 2}), device);
    const Tensor metres = ops::to(from_values({grid.x_max - grid.x_min, grid.y_max - grid.y_min}, {2}), device);
    const Tensor chosen = index_select(all, 0, rows);
    l1_sum = sum(abs(sub(chosen, wanted)));
    edge_sum = sum(abs(sub(edges(chosen), edges(wanted))));
    const Tensor a = mul(edges(chosen), metres), b = mul(edges(wanted), metres);
    const auto length = [](const Tensor& x) { return sqrt(add(sum(mul(x, x), {2}), 1e-12)); };
    const Tensor cosine = div(sum(mul(a, b), {2}), mul(length(a), length(b)));
    direction_sum = sum(add(neg(cosine), 1));
  }
  return {{"focal", weights.focal, mul(focal, static_cast<double>(layers))},
          {"points", weights.point_l1, mul(l1_sum, share)},
          {"direction", weights.direction, mul(direction_sum, share)},
          {"edge", weights.edge, mul(edge_sum, share)}};
}

}  // namespace bevgrad
