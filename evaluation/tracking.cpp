#include "evaluation/tracking.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/assignment.h"
#include "evaluation/true_boxes.h"

namespace bevgrad {
namespace {

constexpr double kMatchDistance = 2;  // metres
constexpr double kLeastRecall = 0.1, kWorstDistance = 2;
constexpr int kRecalls = 40;

Vec2 in_world(const Box3d& box, const Pose& ego_pose) {
  const Vec3 place = ego_pose.apply({box.x, box.y, 0});
  return {place.x, place.y};
}

/// CLEAR MOT's counts (Bernardin and Stiefelhagen, 2008) of one class at one threshold.
struct Clear {
  int64_t matches = 0, switches = 0, misses = 0, false_alarms = 0;
  double distance = 0;  // of matches and switches
  int64_t fragments = 0, mostly_tracked = 0, mostly_lost = 0;
  std::vector<double> scores;  // of what is matched

  int64_t truths() const { return matches + switches + misses; }
};

/// Whether a truth was found, in each of its frames.
using Hits = std::map<int64_t, std::vector<bool>>;

void count_hits(const Hits& hits, Clear& clear) {
  for (const auto& [track, found] : hits) {
    const auto count = std::count(found.begin(), found.end(), true);
    const double share = static_cast<double>(count) / static_cast<double>(found.size());
    clear.mostly_tracked += share >= 0.8;
    clear.mostly_lost += share < 0.2;
    if (count == 0) continue;
    const auto first = std::find(found.begin(), found.end(), true);
    const auto last = std::find(found.rbegin(), found.rend(), true).base();
    for (auto at = first; at + 1 < last; ++at) clear.fragments += *at && !*(at + 1);
  }
}

/// A drive's boxes of one class: what goes on first, the rest by the least sum of distances.
void count_drive(const TrackedDrive& drive, int class_id, double threshold, Clear& clear) {
  std::map<int64_t, int64_t> last_found;  // truth -> predicted track
  Hits hits;
  for (const TrackedFrame& frame : drive) {
    std::vector<const TrackedBox*> truth, found;
    for (const TrackedBox& box : frame.truth)
      if (box.class_id == class_id) truth.push_back(&box);
    for (const TrackedBox& box : frame.found)
      if (box.class_id == class_id && box.score >= threshold) found.push_back(&box);
    std::vector<int64_t> taken_by(truth.size(), -1);
    std::vector<bool> is_taken(found.size(), false);
    const auto take = [&](size_t t, size_t f, bool is_switch) {
      taken_by[t] = static_cast<int64_t>(f);
      is_taken[f] = true;
      clear.distance += norm(truth[t]->at - found[f]->at);
      last_found[truth[t]->track] = found[f]->track;
      if (is_switch) {
        ++clear.switches;
      } else {
        ++clear.matches;
        clear.scores.push_back(found[f]->score);
      }
    };
    for (size_t t = 0; t < truth.size(); ++t) {
      const auto before = last_found.find(truth[t]->track);
      if (before == last_found.end()) continue;
      for (size_t f = 0; f < found.size(); ++f)
        if (found[f]->track == before->second && !is_taken[f] && norm(truth[t]->at - found[f]->at) < kMatchDistance) {
          take(t, f, false);
          break;
        }
    }
    std::vector<size_t> open_truth, open_found;
    for (size_t t = 0; t < truth.size(); ++t)
      if (taken_by[t] < 0) open_truth.push_back(t);
    for (size_t f = 0; f < found.size(); ++f)
      if (!is_taken[f]) open_found.push_back(f);
    // What is too far apart costs more than all that is not together, so that as many as can be are matched.
    const double too_far = kMatchDistance * static_cast<double>(open_truth.size() + open_found.size() + 1);
    std::vector<double> cost;
    for (const size_t t : open_truth)
      for (const size_t f : open_found) {
        const double distance = norm(truth[t]->at - found[f]->at);
        cost.push_back(distance < kMatchDistance ? distance : too_far);
      }
    for (const auto& [row, column] : least_cost_pairs(cost, std::ssize(open_truth), std::ssize(open_found))) {
      const size_t t = open_truth[static_cast<size_t>(row)], f = open_found[static_cast<size_t>(column)];
      if (!(norm(truth[t]->at - found[f]->at) < kMatchDistance)) continue;
      const auto before = last_found.find(truth[t]->track);
      take(t, f, before != last_found.end() && before->second != found[f]->track);
    }
    for (size_t t = 0; t < truth.size(); ++t) {
      clear.misses += taken_by[t] < 0;
      hits[truth[t]->track].push_back(taken_by[t] >= 0);
    }
    clear.false_alarms += std::count(is_taken.begin(), is_taken.end(), false);
  }
  count_hits(hits, clear);
}

Clear count_all(const std::vector<TrackedDrive>& drives, int class_id, double threshold) {
  Clear clear;
  for (const TrackedDrive& drive : drives) count_drive(drive, class_id, threshold, clear);
  return clear;
}

/// Every box with the mean score of its track.
TrackedDrive with_track_scores(TrackedDrive drive) {
  std::map<int64_t, std::pair<double, int64_t>> sums;
  for (const TrackedFrame& frame : drive)
    for (const TrackedBox& box : frame.found) {
      sums[box.track].first += box.score;
      ++sums[box.track].second;
    }
  for (TrackedFrame& frame : drive)
    for (TrackedBox& box : frame.found) box.score = sums[box.track].first / static_cast<double>(sums[box.track].second);
  return drive;
}

/// The score at which a recall is reached, on the straight line between those of the matches, highest first; nothing
/// beyond the last. Recalls have 12 digits, as the devkit's: which side of a match they fall on is decided by them.
std::optional<double> score_at(double recall, const std::vector<double>& scores, int64_t truths) {
  const double wanted = std::round(recall * 1e12) / 1e12;
  const auto reached = [&](size_t k) { return static_cast<double>(k + 1) / static_cast<double>(truths); };
  if (scores.empty() || wanted > reached(scores.size() - 1)) return {};
  if (wanted <= reached(0)) return scores[0];
  size_t k = 0;
  while (k + 1 < scores.size() && reached(k + 1) <= wanted) ++k;
  if (k + 1 == scores.size()) return scores[k];
  const double slope = (scores[k + 1] - scores[k]) / (reached(k + 1) - reached(k));
  return slope * (wanted - reached(k)) + scores[k];
}

void fill_missing(std::vector<TrackedBox> TrackedFrame::*list, TrackedDrive& drive) {
  std::map<int64_t, std::pair<size_t, const TrackedBox*>> last;
  const TrackedDrive given = drive;
  for (size_t f = 0; f < given.size(); ++f)
    for (const TrackedBox& box : given[f].*list) {
      const auto before = last.find(box.track);
      if (before != last.end()) {
        const auto [from, old] = before->second;
        for (size_t between = from + 1; between < f; ++between) {
          const double share = (given[between].timestamp - given[from].timestamp) /
                               std::max(1e-9, given[f].timestamp - given[from].timestamp);
          (drive[between].*list)
              .push_back({box.class_id, box.track, old->at + (box.at - old->at) * share,
                          old->score + (box.score - old->score) * share});
        }
      }
      last[box.track] = {f, &box};
    }
}

}  // namespace

std::optional<TrackedFrame> tracked_frame(const std::vector<ScoredBox>& found, const std::vector<Box3d>& truth,
                                          double timestamp, const Pose& ego_pose, const LabelGrid& range) {
  const bool is_numbered =
      truth.empty() || std::any_of(truth.begin(), truth.end(), [](const Box3d& box) { return box.track >= 0; });
  if (!is_numbered) return {};
  TrackedFrame frame;
  frame.timestamp = timestamp;
  for (const Box3d& box : truth)
    if (box.track >= 0 && is_true_box(box, range))
      frame.truth.push_back({box.class_id, box.track, in_world(box, ego_pose), 1});
  for (const ScoredBox& box : found)
    if (box.box.track >= 0 && is_in_range(box.box, range))
      frame.found.push_back({box.box.class_id, box.box.track, in_world(box.box, ego_pose), box.score});
  return frame;
}

TrackedDrive interpolated(const TrackedDrive& drive) {
  TrackedDrive filled = drive;
  fill_missing(&TrackedFrame::truth, filled);
  fill_missing(&TrackedFrame::found, filled);
  return filled;
}

std::optional<TrackingFigures> tracking_figures(const std::vector<TrackedDrive>& drives, int class_id) {
  std::vector<TrackedDrive> complete;
  TrackingFigures figures;
  for (const TrackedDrive& drive : drives) {
    complete.push_back(interpolated(with_track_scores(drive)));
    std::set<int64_t> tracks;
    for (const TrackedFrame& frame : complete.back())
      for (const TrackedBox& box : frame.truth)
        if (box.class_id == class_id) {
          ++figures.truths;
          tracks.insert(box.track);
        }
    figures.tracks += std::ssize(tracks);
  }
  if (figures.truths == 0) return {};
  std::vector<double> scores = count_all(complete, class_id, -std::numeric_limits<double>::infinity()).scores;
  std::sort(scores.begin(), scores.end(), std::greater<>());
  std::map<double, Clear> counted;
  const Clear* best = nullptr;
  double best_mota = -1, amota = 0, amotp = 0;
  const auto truths = static_cast<double>(figures.truths);
  // From the highest recall down: of equal ones the higher recall is the better.
  for (int i = kRecalls - 1; i >= 0; --i) {
    const double recall = kLeastRecall + (1 - kLeastRecall) * i / (kRecalls - 1);
    const std::optional<double> threshold = score_at(recall, scores, figures.truths);
    if (!threshold) {
      amotp += kWorstDistance;
      continue;
    }
    const auto [at, is_new] = counted.try_emplace(*threshold);
    if (is_new) at->second = count_all(complete, class_id, *threshold);
    const Clear& clear = at->second;
    const double wrong = static_cast<double>(clear.misses + clear.switches + clear.false_alarms);
    const double reached = static_cast<double>(clear.matches) / truths;
    if (reached > 0) amota += std::max(0.0, 1 - (wrong - (1 - reached) * truths) / (reached * truths));
    const int64_t pairs = clear.matches + clear.switches;
    amotp += pairs > 0 ? clear.distance / static_cast<double>(pairs) : kWorstDistance;
    const double mota = std::max(0.0, 1 - wrong / truths);
    if (mota <= best_mota) continue;
    best_mota = mota;
    best = &clear;
  }
  figures.amota = amota / kRecalls;
  figures.amotp = amotp / kRecalls;
  if (best == nullptr) {
    figures.misses = figures.truths;
    figures.mostly_lost = figures.tracks;
    return figures;
  }
  const int64_t pairs = best->matches + best->switches;
  figures.recall = static_cast<double>(pairs) / truths;
  figures.mota = best_mota;
  if (pairs > 0) figures.motp = best->distance / static_cast<double>(pairs);
  figures.mostly_tracked = best->mostly_tracked;
  figures.mostly_lost = best->mostly_lost;
  figures.matches = best->matches;
  figures.misses = best->misses;
  figures.false_alarms = best->false_alarms;
  figures.switches = best->switches;
  figures.fragments = best->fragments;
  return figures;
}

nlohmann::json to_json(const TrackedDrive& drive) {
  nlohmann::json frames = nlohmann::json::array();
  const auto list = [](const std::vector<TrackedBox>& boxes) {
    nlohmann::json rows = nlohmann::json::array();
    for (const TrackedBox& box : boxes) rows.push_back({box.class_id, box.track, box.at.x, box.at.y, box.score});
    return rows;
  };
  for (const TrackedFrame& frame : drive) frames.push_back({frame.timestamp, list(frame.truth), list(frame.found)});
  return frames;
}

TrackedDrive tracked_drive_from_json(const nlohmann::json& json) {
  TrackedDrive drive;
  const auto list = [](const nlohmann::json& rows) {
    std::vector<TrackedBox> boxes;
    for (const auto& row : rows)
      boxes.push_back({row.at(0).get<int>(),
                       row.at(1).get<int64_t>(),
                       {row.at(2).get<double>(), row.at(3).get<double>()},
                       row.at(4).get<double>()});
    return boxes;
  };
  for (const auto& frame : json) drive.push_back({frame.at(0).get<double>(), list(frame.at(1)), list(frame.at(2))});
  return drive;
}

}  // namespace bevgrad
