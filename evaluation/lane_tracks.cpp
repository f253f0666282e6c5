#include "evaluation/lane_tracks.h"

#include <algorithm>

#include "base/error.h"
#include "geometry/polyline.h"

namespace bevgrad {
namespace {

constexpr double kReach = 1.0;   // metres
constexpr double kMaxGap = 1.0;  // seconds
constexpr size_t kRemembered = 16;

double mean_distance(const std::vector<Vec2>& points, const std::vector<Vec2>& line) {
  double sum = 0;
  for (const Vec2 p : points) sum += distance_to_polyline(p, line);
  return sum / static_cast<double>(points.size());
}

struct Pair {
  double distance;
  size_t before, now;
};

}  // namespace

std::vector<int64_t> LaneTracks::follow(const std::vector<LaneVector>& lanes, double timestamp, const Pose& ego_pose) {
  const double gap = timestamp - timestamp_;
  if (!(gap > 0 && gap <= kMaxGap)) lanes_.clear(), numbers_.clear();
  const GroundWarp warp = ground_warp(ego_pose_, ego_pose);
  std::vector<Pair> pairs;
  for (size_t i = 0; i < lanes_.size(); ++i) {
    std::vector<Vec2> moved;
    for (const Vec2 p : lanes_[i].points) moved.push_back(warp.apply(p));
    for (size_t j = 0; j < lanes.size(); ++j) {
      if (lanes[j].class_id != lanes_[i].class_id) continue;
      const double distance = std::min(mean_distance(moved, lanes[j].points), mean_distance(lanes[j].points, moved));
      if (distance <= kReach) pairs.push_back({distance, i, j});
    }
  }
  std::stable_sort(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) { return a.distance < b.distance; });
  std::vector<int64_t> numbers(lanes.size(), -1);
  std::vector<bool> went_on(lanes_.size(), false);
  for (const Pair& pair : pairs) {
    if (went_on[pair.before] || numbers[pair.now] >= 0) continue;
    went_on[pair.before] = true;
    numbers[pair.now] = numbers_[pair.before];
  }
  for (int64_t& number : numbers)
    if (number < 0) number = next_++;
  lanes_ = lanes;
  numbers_ = numbers;
  timestamp_ = timestamp;
  ego_pose_ = ego_pose;
  return numbers;
}

void LaneFinders::next(const std::string& drive, const std::vector<LaneVector>& predicted,
                       const std::vector<LaneVector>& truth, double timestamp, const Pose& ego_pose) {
  const auto known = std::find_if(drives_.begin(), drives_.end(), [&](const Drive& one) { return one.name == drive; });
  if (known != drives_.end()) {
    drives_.splice(drives_.begin(), drives_, known);
  } else {
    drives_.push_front({drive, {}, {}, {}, {}, std::vector<std::map<int64_t, int64_t>>(thresholds_)});
    if (drives_.size() > kRemembered) drives_.pop_back();
  }
  Drive& now = drives_.front();
  now.predicted = now.predicted_tracks.follow(predicted, timestamp, ego_pose);
  now.truth = now.true_tracks.follow(truth, timestamp, ego_pose);
  // A true lane that has gone does not come back under its number.
  for (auto& found_by : now.found_by)
    std::erase_if(found_by, [&](const auto& entry) {
      return std::find(now.truth.begin(), now.truth.end(), entry.first) == now.truth.end();
    });
}

bool LaneFinders::stays(size_t threshold, size_t predicted, size_t truth) {
  check(!drives_.empty(), "LaneFinders: there is no frame");
  Drive& now = drives_.front();
  const int64_t finder = now.predicted.at(predicted);
  return now.found_by.at(threshold).try_emplace(now.truth.at(truth), finder).first->second == finder;
}

}  // namespace bevgrad
