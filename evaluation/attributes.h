// What maps of probabilities say of an object's attributes at the places that it covers.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "data/label_schema.h"
#include "evaluation/raster.h"
#include "geometry/vector.h"

namespace bevgrad {

/// A kind's likeliest value; -1: nothing is said.
struct SaidAttribute {
  int value = -1;
  double probability = 0;
};

/// Whether a kind is said of a class.
bool is_said_of(const AttributeKind& kind, const std::string& class_name);

/// `probabilities` [values of all kinds,H,W] over the grid's range. Per kind the value whose mean over the points that
/// lie in the range is the highest (equal ones: the first); nothing of kinds that are not said of the class, and where
/// no point lies there.
std::vector<SaidAttribute> attributes_along(const ProbabilityRaster& probabilities, const LabelGrid& grid,
                                            const std::vector<AttributeKind>& kinds, const std::string& class_name,
                                            std::span<const Vec2> points);

/// The values alone; empty where none is said.
std::vector<int> values_of(const std::vector<SaidAttribute>& said);

}  // namespace bevgrad
