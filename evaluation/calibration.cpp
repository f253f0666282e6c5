#include "evaluation/calibration.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace bevgrad {
namespace {

double logistic(double x) {
  return 1 / (1 + std::exp(-x));
}

/// Finite for 0 and 1 too: as far as a histogram goes.
double logit_of(double probability) {
  const double x = std::log(probability) - std::log1p(-probability);
  return std::clamp(x, -LogitHistogram::kMost, LogitHistogram::kMost);
}

}  // namespace

void LogitHistogram::add(const ProbabilityRaster& probabilities, const LabelRaster& labels) {
  check(probabilities.values.size() == labels.values.size(), "calibration: {} probabilities and {} labels",
        probabilities.values.size(), labels.values.size());
  for (size_t i = 0; i < labels.values.size(); ++i) {
    if (labels.values[i] == 255 || std::isnan(probabilities.values[i])) continue;
    const auto bin = static_cast<size_t>(std::lround((logit_of(probabilities.values[i]) + kMost) / kStep));
    ++counts_[bin * 2 + (labels.values[i] == 1)];
  }
}

void LogitHistogram::merge(const LogitHistogram& other) {
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
}

void LogitHistogram::set_state(std::vector<int64_t> state) {
  check(state.size() == counts_.size(), "calibration: a state of {} counts, expected {}", state.size(), counts_.size());
  counts_ = std::move(state);
}

double Calibration::operator()(double probability) const {
  return logistic(logit_of(probability) / temperature + bias);
}

double Calibration::threshold() const {
  return logistic(-bias * temperature);
}

std::optional<Calibration> fit_calibration(const LogitHistogram& histogram) {
  double cells[2] = {0, 0};
  for (int bin = 0; bin < LogitHistogram::kBins; ++bin)
    for (const bool is_true : {false, true}) cells[is_true] += static_cast<double>(histogram.cells(bin, is_true));
  if (cells[0] == 0 || cells[1] == 0) return std::nullopt;
  // Newton's method on slope and bias; the likelihood is concave, and halving the step keeps it rising.
  const auto likelihood = [&](double slope, double bias) {
    double sum = 0;
    for (int bin = 0; bin < LogitHistogram::kBins; ++bin) {
      const double x = slope * LogitHistogram::logit(bin) + bias;
      const double softplus = std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
      const auto no = static_cast<double>(histogram.cells(bin, false)),
                 yes = static_cast<double>(histogram.cells(bin, true));
      sum += yes * (x - softplus) - no * softplus;
    }
    return sum;
  };
  double slope = 1, bias = 0, reached = likelihood(slope, bias);
  for (int step = 0; step < 100; ++step) {
    double g0 = 0, g1 = 0, h00 = 0, h01 = 0, h11 = 0;
    for (int bin = 0; bin < LogitHistogram::kBins; ++bin) {
      const double x = LogitHistogram::logit(bin), p = logistic(slope * x + bias);
      const auto no = static_cast<double>(histogram.cells(bin, false)),
                 yes = static_cast<double>(histogram.cells(bin, true));
      const double residual = yes - (yes + no) * p, weight = (yes + no) * p * (1 - p);
      g0 += residual * x, g1 += residual;
      h00 += weight * x * x, h01 += weight * x, h11 += weight;
    }
    const double determinant = h00 * h11 - h01 * h01;
    if (!(determinant > 1e-12 * h00 * h11)) break;
    double d0 = (h11 * g0 - h01 * g1) / determinant, d1 = (h00 * g1 - h01 * g0) / determinant;
    double now = likelihood(slope + d0, bias + d1);
    for (int half = 0; half < 40 && !(now >= reached); ++half) {
      d0 /= 2, d1 /= 2;
      now = likelihood(slope + d0, bias + d1);
    }
    if (!(now > reached)) break;
    slope += d0, bias += d1;
    const bool is_done = now - reached < 1e-10 * (cells[0] + cells[1]);
    reached = now;
    if (is_done) break;
  }
  if (!(slope > 1e-3) || !std::isfinite(bias)) return std::nullopt;
  return Calibration{1 / slope, bias};
}

void Reliability::add(const LogitHistogram& histogram, const Calibration& calibration) {
  for (int bin = 0; bin < LogitHistogram::kBins; ++bin) {
    const int64_t no = histogram.cells(bin, false), yes = histogram.cells(bin, true);
    if (no + yes == 0) continue;
    const double p = calibration(logistic(LogitHistogram::logit(bin)));
    Bin& at = bins[std::min<size_t>(static_cast<size_t>(p * 10), 9)];
    at.cells += no + yes;
    at.true_cells += yes;
    at.probability += p * static_cast<double>(no + yes);
  }
}

Ratio Reliability::error() const {
  double apart = 0, cells = 0;
  for (const Bin& bin : bins) {
    if (bin.cells == 0) continue;
    apart += std::abs(bin.probability - static_cast<double>(bin.true_cells));
    cells += static_cast<double>(bin.cells);
  }
  return ratio(apart, cells);
}

}  // namespace bevgrad
