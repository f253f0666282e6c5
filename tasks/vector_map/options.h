// What the task of vectors takes from a config: tasks.vector_map, and what of drawing concerns vectors.
#pragma once
#include <string>
#include <vector>

#include "configs/judge.h"
#include "data/label_schema.h"

namespace bevgrad {

/// Sizes of the head.
struct VectorHeadOptions {
  int64_t max_vectors = 50;
  int64_t points = 20;
  int64_t channels = 128;
  int64_t heads = 8;
  int64_t layers = 6;
  int64_t sampling_points = 4;
  int64_t feedforward = 256;
  int64_t classes = 9;
};

/// The classes of vectors: every lane class, then some of the road classes.
struct VectorClasses {
  std::vector<std::string> names;
  int64_t lanes = 0;
  std::vector<int64_t> road = {};  ///< indices of road classes

  int64_t count() const { return static_cast<int64_t>(names.size()); }
};

VectorHeadOptions vector_head_options(const config::Config& proto);
VectorClasses vector_classes(const config::Config& proto);

/// Of TaskKind.
void judge_vector_map(const configs::Judge& judge, const config::Config& proto);

}  // namespace bevgrad
