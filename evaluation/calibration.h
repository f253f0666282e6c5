// What a probability is worth: how often a cell that was given it is true, and the temperature and bias that make the
// two agree.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "evaluation/raster.h"
#include "evaluation/ratio.h"

namespace bevgrad {

/// True and false cells by the logit of their probability. Steps of an eighth are finer than any threshold here;
/// logits beyond 16, which float32 hardly tells from 0 and 1, count as 16.
class LogitHistogram {
 public:
  static constexpr int kBins = 257;
  static constexpr double kMost = 16, kStep = 0.125;

  LogitHistogram() : counts_(static_cast<size_t>(kBins) * 2, 0) {}

  /// All cells of all classes; ignored cells (255) and NaN count nowhere.
  void add(const ProbabilityRaster& probabilities, const LabelRaster& labels);
  void merge(const LogitHistogram& other);
  int64_t cells(int bin, bool is_true) const { return counts_[static_cast<size_t>(bin) * 2 + is_true]; }
  static double logit(int bin) { return -kMost + kStep * bin; }

  const std::vector<int64_t>& state() const { return counts_; }
  void set_state(std::vector<int64_t> state);

 private:
  std::vector<int64_t> counts_;  ///< [bin][label]
};

/// A calibrated probability is the logistic function of logit / temperature + bias. The bias is there because a
/// temperature alone leaves 0.5 where it is, and a focal loss moves it.
struct Calibration {
  double temperature = 1, bias = 0;

  double operator()(double probability) const;
  /// The network's probability that a calibrated 0.5 stands for.
  double threshold() const;
};

/// By maximum likelihood (Platt 1999; Guo et al. 2017 for the temperature). Nothing where only one label occurs or the
/// probabilities do not rise with the truth.
std::optional<Calibration> fit_calibration(const LogitHistogram& histogram);

/// Cells by probability in ten steps of a tenth.
struct Reliability {
  struct Bin {
    int64_t cells = 0, true_cells = 0;
    double probability = 0;  ///< summed

    Ratio mean_probability() const { return ratio(probability, static_cast<double>(cells)); }
    Ratio observed() const { return ratio(static_cast<double>(true_cells), static_cast<double>(cells)); }
  };
  std::array<Bin, 10> bins = {};

  /// Every cell of the histogram, at its calibrated probability.
  void add(const LogitHistogram& histogram, const Calibration& calibration = {});
  /// Expected calibration error: the mean over the cells of how far a bin's mean probability is from what was observed.
  Ratio error() const;
};

}  // namespace bevgrad
