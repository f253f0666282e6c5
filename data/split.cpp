#include "data/split.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <unordered_map>
#include <unordered_set>

#include "data/random_order.h"
#include "internal/record/number_checks.h"
#include "internal/record/parse.h"

namespace bevgrad {

namespace {

enum Purpose : uint64_t { kOrderAreas = 11 };

/// Frames nearer than this are one for the question which places lie near one another.
constexpr double kFine = 4;
/// A longer step between two frames is a jump, and not driven.
constexpr double kJump = 100;

/// Frames in square cells of one size, to find those near a frame without looking at all. It refers to the frames.
class FrameIndex {
 public:
  explicit FrameIndex(double cell) : cell_(cell) {}

  void add(const DrivenFrame& frame) { cells_[cell_of(frame.at)].push_back(&frame); }

  /// Calls `use(distance, other)` for all frames that may be of the same place, in the cell of `frame` and the eight
  /// around it: all that are within a cell's side are among them.
  template <class Use>
  void visit_near(const DrivenFrame& frame, Use use) const {
    const auto [column, row] = cell_of(frame.at);
    for (int64_t dx = -1; dx <= 1; ++dx)
      for (int64_t dy = -1; dy <= 1; ++dy) {
        const auto found = cells_.find({column + dx, row + dy});
        if (found == cells_.end()) continue;
        for (const DrivenFrame* other : found->second)
          if (other->place == frame.place || other->place.empty() || frame.place.empty())
            use(norm(other->at - frame.at), *other);
      }
  }

 private:
  std::pair<int64_t, int64_t> cell_of(Vec2 at) const {
    return {static_cast<int64_t>(std::floor(at.x / cell_)), static_cast<int64_t>(std::floor(at.y / cell_))};
  }

  double cell_;
  std::map<std::pair<int64_t, int64_t>, std::vector<const DrivenFrame*>> cells_;
};

/// Which streams come near one another, by way of any number of others.
std::vector<int64_t> areas_of_streams(const std::vector<DrivenFrame>& frames, double margin) {
  int64_t streams = 0;
  for (const DrivenFrame& frame : frames) streams = std::max(streams, frame.stream + 1);
  std::vector<int64_t> parent(static_cast<size_t>(streams));
  std::iota(parent.begin(), parent.end(), 0);
  const auto root = [&](int64_t stream) {
    while (parent[static_cast<size_t>(stream)] != stream)
      stream = parent[static_cast<size_t>(stream)] = parent[static_cast<size_t>(parent[static_cast<size_t>(stream)])];
    return stream;
  };
  const double near = margin + 2 * kFine;
  FrameIndex index(near);
  std::unordered_map<int64_t, Vec2> last;  // of each stream
  for (const DrivenFrame& frame : frames) {
    const auto before = last.find(frame.stream);
    if (before != last.end() && norm(before->second - frame.at) < kFine) continue;
    last[frame.stream] = frame.at;
    index.visit_near(frame, [&](double distance, const DrivenFrame& other) {
      if (distance < near) parent[static_cast<size_t>(root(other.stream))] = root(frame.stream);
    });
    index.add(frame);
  }
  for (int64_t stream = 0; stream < streams; ++stream) parent[static_cast<size_t>(stream)] = root(stream);
  return parent;
}

/// The direction in which the frames reach furthest: the larger axis of their scatter.
Vec2 main_direction(const std::vector<DrivenFrame>& frames) {
  Vec2 mean;
  for (const DrivenFrame& frame : frames) mean = mean + frame.at * (1.0 / static_cast<double>(frames.size()));
  double xx = 0, xy = 0, yy = 0;
  for (const DrivenFrame& frame : frames) {
    const Vec2 d = frame.at - mean;
    xx += d.x * d.x;
    xy += d.x * d.y;
    yy += d.y * d.y;
  }
  return direction(0.5 * std::atan2(2 * xy, xx - yy));
}

PlaceSplit cut_along_a_line(const std::vector<DrivenFrame>& frames, const SplitOptions& options) {
  const Vec2 along = main_direction(frames);
  std::vector<double> reach;
  for (const DrivenFrame& frame : frames) reach.push_back(dot(frame.at, along));
  const auto at = static_cast<size_t>((1 - options.val_share) * static_cast<double>(reach.size() - 1));
  std::nth_element(reach.begin(), reach.begin() + static_cast<std::ptrdiff_t>(at), reach.end());
  const double cut = reach[at];
  PlaceSplit split;
  split.is_cut = true;
  for (const DrivenFrame& frame : frames) {
    const double beyond = dot(frame.at, along) - cut;
    (std::abs(beyond) < options.margin / 2 ? split.dropped : beyond > 0 ? split.val : split.train).push_back(frame.key);
  }
  check(!split.train.empty() && !split.val.empty(),
        "split: the frames reach {:.0f} m, too little for two lists that lie {} m apart: a smaller margin, or more "
        "places",
        *std::max_element(reach.begin(), reach.end()) - *std::min_element(reach.begin(), reach.end()), options.margin);
  return split;
}

}  // namespace

std::vector<DrivenFrame> driven_frames(const Dataset& dataset) {
  std::vector<DrivenFrame> frames;
  std::unordered_set<std::string> seen;
  for (size_t stream = 0; stream < dataset.streams().size(); ++stream)
    for (const int64_t index : dataset.streams()[stream].frames) {
      const FrameEntry& entry = dataset.entry(index);
      if (!seen.insert(entry.key).second) continue;
      const RecordOrigin origin{dataset.stores()[static_cast<size_t>(entry.store)].path(), entry.key};
      const std::string bytes = dataset.load_bytes(index);
      const records::Sample head =
          parse_record_head({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, origin);
      const bool has_true = head.true_pose_size() > 0;
      const Vec3 at =
          checked_pose(has_true ? head.true_pose() : head.ego_pose(), origin, has_true ? "true_pose" : "ego_pose")
              .translation();
      frames.push_back({entry.key, static_cast<int64_t>(stream), {at.x, at.y}, checked_place(head, origin)});
    }
  return frames;
}

NamedPlaces places_of(const std::vector<DrivenFrame>& frames) {
  NamedPlaces places;
  for (const DrivenFrame& frame : frames) {
    if (frame.place.empty())
      ++places.unnamed;
    else
      places.names.insert(frame.place);
  }
  return places;
}

PlaceSplit split_by_place(const std::vector<DrivenFrame>& frames, const SplitOptions& options) {
  if (!(options.val_share > 0 && options.val_share < 1))
    throw UsageError(
        fmt::format("split: a share of {} for validation, expected above 0 and below 1", options.val_share));
  if (!(options.margin > 0)) throw UsageError(fmt::format("split: a margin of {} m, expected above 0", options.margin));
  check(frames.size() > 1, "split: {} frames, expected two or more", frames.size());
  const std::vector<int64_t> area_of = areas_of_streams(frames, options.margin);
  std::map<int64_t, int64_t> size;
  for (const DrivenFrame& frame : frames) ++size[area_of[static_cast<size_t>(frame.stream)]];
  std::vector<int64_t> order;
  for (const auto& [area, count] : size) order.push_back(area);
  std::mt19937_64 random = random_for(options.seed, kOrderAreas, 0);
  shuffle(order, random);

  const double wanted = options.val_share * static_cast<double>(frames.size());
  std::unordered_set<int64_t> for_val;
  double taken = 0;
  for (const int64_t area : order) {
    const auto more = static_cast<double>(size.at(area));
    // Nearer to what is wanted with it than without.
    if (std::abs(taken + more - wanted) >= std::abs(taken - wanted) || for_val.size() + 1 == size.size()) continue;
    for_val.insert(area);
    taken += more;
  }
  PlaceSplit split;
  if (for_val.empty()) {
    split = cut_along_a_line(frames, options);
  } else {
    for (const DrivenFrame& frame : frames)
      (for_val.contains(area_of[static_cast<size_t>(frame.stream)]) ? split.val : split.train).push_back(frame.key);
  }
  split.areas = static_cast<int64_t>(size.size());
  return split;
}

Overlap overlap(const std::vector<DrivenFrame>& a, const std::vector<DrivenFrame>& b, double within) {
  Overlap result;
  result.nearest = std::numeric_limits<double>::infinity();
  FrameIndex index(within);
  for (const DrivenFrame& frame : b) index.add(frame);
  for (size_t i = 0; i < a.size(); ++i) {
    bool is_near = false;
    index.visit_near(a[i], [&](double distance, const DrivenFrame&) {
      result.nearest = std::min(result.nearest, distance);
      is_near = is_near || distance <= within;
    });
    if (i == 0 || a[i].stream != a[i - 1].stream) continue;
    const double step = norm(a[i].at - a[i - 1].at);
    if (step > kJump) continue;
    result.driven += step;
    if (is_near) result.metres += step;
  }
  return result;
}

}  // namespace bevgrad
