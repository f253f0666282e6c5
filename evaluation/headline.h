// The few figures of a validation that a checkpoint is chosen by and a report begins with.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "evaluation/table.h"

namespace bevgrad {

struct HeadlineFigure {
  std::string name;   ///< in metrics.json, in train.checkpoint_metric and in TensorBoard
  std::string title;  ///< for people
  std::string text;   ///< what it is
};

/// All that there can be, in the order in which they are shown.
const std::vector<HeadlineFigure>& headline_figures();

/// Draws of the bootstrap.
inline constexpr int kReplicates = 1000;

/// The headline of a validation with what says how far it can be trusted.
struct Headline {
  std::map<std::string, double> figures;
  std::vector<std::string> sequences;                     ///< what was drawn from
  std::map<std::string, std::vector<double>> replicates;  ///< by figure; empty with fewer than two sequences
};

/// The middle 95 % of the replicates; nothing where there are none or a figure is n/a in more than one of ten.
struct Interval {
  double low = 0, high = 0;
};
std::optional<Interval> interval_of(const std::vector<double>& replicates);

/// A row a figure: its value and its interval.
Table headline_table(const Headline& headline);

/// A row a figure that both have: in a, in b, the change with its interval, and the share of the draws that say the
/// opposite (two-sided, at least 2 / (draws + 1)). The draws are paired, so that what is hard in both runs does not
/// blur the change. Interval and p are n/a where the two were not taken over the same sequences.
Table headline_comparison(const Headline& a, const Headline& b, const std::string& name_a, const std::string& name_b);

}  // namespace bevgrad
