// Boxes and lane marks with what is said of them, from above.
#pragma once
#include "drawing/sample_picture.h"

namespace bevgrad {

/// "parked, door open": every kind with its value, the first values, which are the ordinary ones, unsaid.
std::string attribute_text(const std::vector<int>& attributes, const std::vector<AttributeKind>& kinds);

/// A line on the ground and its text.
struct DescribedLine {
  std::vector<Vec2> points;
  int class_id = 0;
  std::string text;
};

GroundPanel attribute_panel(const std::string& title, std::vector<Box3d> boxes, std::vector<DescribedLine> lines,
                            const std::vector<AttributeKind>& kinds);

}  // namespace bevgrad
