// The headline figures as functions of the sequences that they are taken over: the figures themselves, and their
// intervals by the bootstrap.
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "evaluation/counts.h"
#include "evaluation/headline.h"

namespace bevgrad {

/// Counts of a validation by sequence, ready to be added up with weights.
class HeadlineSample {
 public:
  HeadlineSample(const std::map<std::string, SetCounts>& sets, const EvaluationOptions& options);

  /// "<val set>/<sequence>", in the order of their numbers here.
  const std::vector<std::string>& sequences() const { return sequences_; }
  /// Figures with every sequence taken so many times; those that are n/a are left out.
  std::map<std::string, double> figures(std::span<const int> weights) const;
  std::map<std::string, double> figures() const;
  /// What every figure would be of sequences drawn anew, with replacement, as many times: kReplicates values a figure,
  /// NaN where it is n/a. The draws depend on the number of sequences alone, so that the replicates of two runs over
  /// the same sequences are pairs. Empty where there are fewer than two sequences.
  std::map<std::string, std::vector<double>> replicates() const;

  /// The threshold of "any lane mark" in a sequence: the one with the highest F1 over all other sequences, 0.5 where
  /// there are none.
  const std::vector<double>& any_mark_thresholds() const { return thresholds_; }
  /// Counts at those thresholds, over the sequences of one val set (or of all: "").
  struct AnyMark {
    SeriesCounts lines;
    IouCounts cells;
    double low = 1, high = 0;  ///< the thresholds
  };
  AnyMark any_mark(Stratum stratum, const std::string& val_set = "") const;

 private:
  struct Ranked {
    float score;
    bool right;
    uint32_t sequence;
  };
  /// What one average precision is made of: a class, for boxes at one distance.
  struct RankedList {
    std::vector<Ranked> detections;  ///< best first
    std::vector<int64_t> truths;     ///< by sequence
  };
  struct Sequence {
    std::string val_set;
    std::vector<std::array<IouCounts, kNumStrata>> lane, road;  ///< by class
    SeriesCounts fixed;                                         ///< what lane_f1 is made of
    std::array<AnyMark, kNumStrata> any;
  };
  void choose_thresholds(const std::vector<const SetCounts*>& sets, const std::vector<std::string>& series);
  template <class CountsOf>
  RankedList ranked(size_t count, CountsOf counts_of) const;
  std::vector<PrecisionRecall> curve(const RankedList& list, std::span<const int> weights, int64_t truths) const;

  bool has_series_;
  std::vector<std::string> sequences_;
  std::vector<Sequence> counts_;
  std::vector<double> thresholds_;
  std::vector<RankedList> instances_, boxes_;
};

}  // namespace bevgrad
