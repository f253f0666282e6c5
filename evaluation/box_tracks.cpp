#include "evaluation/box_tracks.h"

#include <algorithm>
#include <cmath>

#include "evaluation/average_precision.h"

namespace bevgrad {
namespace {

constexpr double kLongestStep = 1;  // seconds
constexpr size_t kMostDrives = 64;

}  // namespace

void BoxTracks::follow(std::vector<ScoredBox>& boxes, double timestamp, const Pose& ego_pose) {
  const double step = timestamp - timestamp_;
  if (!(step > 0 && step <= kLongestStep)) tracks_.clear();
  timestamp_ = timestamp;
  std::vector<double> scores;
  for (const ScoredBox& scored : boxes) scores.push_back(scored.score);
  std::vector<bool> taken(tracks_.size(), false);
  std::vector<Track> now;
  for (const size_t b : by_descending_score(scores)) {
    Box3d& box = boxes[b].box;
    const Vec3 place = ego_pose.apply({box.x, box.y, 0}), motion = ego_pose.rotate({box.vx, box.vy, 0});
    Track track = {0, box.class_id, {place.x, place.y}, {motion.x, motion.y}, 0};
    const Vec2 before = track.at - track.velocity * step;
    size_t nearest = tracks_.size();
    double least = options_.distance;
    for (size_t t = 0; t < tracks_.size(); ++t) {
      if (taken[t] || tracks_[t].class_id != track.class_id) continue;
      const double distance = norm(tracks_[t].at - before);
      if (!(distance <= least)) continue;
      if (nearest < tracks_.size() && distance == least) continue;
      nearest = t;
      least = distance;
    }
    if (nearest < tracks_.size()) {
      taken[nearest] = true;
      track.number = tracks_[nearest].number;
    } else {
      track.number = next_++;
    }
    box.track = track.number;
    now.push_back(track);
  }
  for (size_t t = 0; t < tracks_.size(); ++t) {
    if (taken[t] || ++tracks_[t].age > options_.max_age) continue;
    tracks_[t].at = tracks_[t].at + tracks_[t].velocity * step;
    now.push_back(tracks_[t]);
  }
  tracks_ = std::move(now);
}

void BoxTracker::follow(EvaluationFrame& frame) {
  if (std::any_of(frame.boxes.begin(), frame.boxes.end(), [](const ScoredBox& box) { return box.box.track >= 0; }))
    return;
  const std::string name = frame.val_set + "\n" + frame.series();
  const auto found =
      std::find_if(drives_.begin(), drives_.end(), [&](const Drive& drive) { return drive.name == name; });
  if (found == drives_.end()) {
    drives_.push_front({name, BoxTracks(options_)});
    if (drives_.size() > kMostDrives) drives_.pop_back();
  } else {
    drives_.splice(drives_.begin(), drives_, found);
  }
  drives_.front().tracks.follow(frame.boxes, frame.timestamp, frame.ego_pose);
}

}  // namespace bevgrad
