// Lists whose places do not overlap. A map that is driven through in training and in validation is learned by heart,
// and what a validation says then says nothing (published splits of nuScenes and Argoverse 2 have this fault).
#pragma once
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace bevgrad {

/// Where a frame was.
struct DrivenFrame {
  std::string key;
  int64_t stream = 0;
  Vec2 at;                 ///< in the world frame
  std::string place = {};  ///< whose map that frame is of; empty: not known, which may be any
};

/// All frames of a dataset, each once, stream after stream in the order of time.
std::vector<DrivenFrame> driven_frames(const Dataset& dataset);

struct SplitOptions {
  double val_share = 0.2;
  /// Metres that frames of the two lists lie apart at least. What a frame's labels reach lies on both sides of it.
  double margin = 130;
  uint64_t seed = 1;
};

/// The places that frames name, each once, and how many name none.
struct NamedPlaces {
  std::set<std::string> names;
  int64_t unnamed = 0;
};
NamedPlaces places_of(const std::vector<DrivenFrame>& frames);

struct PlaceSplit {
  std::vector<std::string> train, val;
  std::vector<std::string> dropped;  ///< too near to both
  int64_t areas = 0;                 ///< groups of sequences that come no nearer to one another than the margin
  bool is_cut = false;               ///< one area held too much: it was cut along a line
};

/// Frames of two places are never near one another; one that names no place may be in any.
///
/// Whole areas to one list or the other, in a seeded order; where no area is small enough, all frames are cut along a
/// line across the direction in which they reach furthest, and those within half a margin of it are dropped. Throws
/// where no such split has frames on both sides.
PlaceSplit split_by_place(const std::vector<DrivenFrame>& frames, const SplitOptions& options);

struct Overlap {
  double metres = 0;   ///< of a's path that lie within `within` of b's frames
  double driven = 0;   ///< of a's path in all
  double nearest = 0;  ///< distance between the nearest two frames; infinity where none are within `within`
};
Overlap overlap(const std::vector<DrivenFrame>& a, const std::vector<DrivenFrame>& b, double within);

}  // namespace bevgrad
