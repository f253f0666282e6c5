// Two runs side by side for a terminal.
#pragma once
#include <string>

#include "evaluation/table.h"

namespace bevgrad {

/// The IoU of two runs' tables "iou" per class and by what was seen: in the first run, in the second, and the change.
/// One block a val set; no line is longer than 120 characters (names of val sets and classes are cut to fit). Names of
/// runs that are too long for a column stand above the blocks.
std::string iou_comparison_text(const Table& a, const Table& b, const std::string& name_a, const std::string& name_b);

}  // namespace bevgrad
