// The few figures of a validation that a checkpoint is chosen by and a report begins with.
#pragma once
#include <string>
#include <vector>

namespace bevgrad {

struct HeadlineFigure {
  std::string name;   ///< in metrics.json, in train.checkpoint_metric and in TensorBoard
  std::string title;  ///< for people
  std::string text;   ///< what it is
};

/// All that there can be, in the order in which they are shown.
const std::vector<HeadlineFigure>& headline_figures();

}  // namespace bevgrad
