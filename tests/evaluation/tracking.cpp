// Boxes that are followed from frame to frame, and nuScenes' tracking metrics: against cases by hand and against its
// devkit's figures (tests/golden/evaluation/make_tracking.py).
#include "evaluation/tracking.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <tuple>

#include "evaluation/box_tracks.h"
#include "support/paths.h"

namespace bevgrad {
namespace {

using ::testing::ElementsAre;

ScoredBox box(double x, double y, double vx = 0, double vy = 0, double score = 0.9, int class_id = 0) {
  return {{.x = x, .y = y, .z = 1, .l = 4, .w = 2, .h = 1.5, .vx = vx, .vy = vy, .class_id = class_id}, score};
}

std::vector<int64_t> numbers(BoxTracks& tracks, std::vector<ScoredBox> boxes, double timestamp, const Pose& pose = {}) {
  tracks.follow(boxes, timestamp, pose);
  std::vector<int64_t> result;
  for (const ScoredBox& one : boxes) result.push_back(one.box.track);
  return result;
}

TEST(BoxTracks, TakeTheNearestByWhereItCameFrom) {
  BoxTracks tracks;
  EXPECT_THAT(numbers(tracks, {box(0, 0), box(0, 3)}, 0), ElementsAre(0, 1));
  // The first has driven 4 m, which its velocity tells.
  EXPECT_THAT(numbers(tracks, {box(0, 3.2), box(4, 0, 40, 0)}, 0.1), ElementsAre(1, 0));
  // Without that velocity 4 m are too far.
  EXPECT_THAT(numbers(tracks, {box(8, 0)}, 0.2), ElementsAre(2));
}

TEST(BoxTracks, TheBetterScoreChoosesFirst) {
  BoxTracks tracks;
  EXPECT_THAT(numbers(tracks, {box(0, 0)}, 0), ElementsAre(0));
  EXPECT_THAT(numbers(tracks, {box(0.1, 0, 0, 0, 0.4), box(0.5, 0, 0, 0, 0.8)}, 0.1), ElementsAre(1, 0));
}

TEST(BoxTracks, OtherClassesAndNewDrivesBeginAnew) {
  BoxTracks tracks;
  EXPECT_THAT(numbers(tracks, {box(0, 0)}, 10), ElementsAre(0));
  EXPECT_THAT(numbers(tracks, {box(0, 0, 0, 0, 0.9, 1)}, 10.1), ElementsAre(1));
  EXPECT_THAT(numbers(tracks, {box(0, 0)}, 10.2), ElementsAre(0)) << "it lives on for some frames";
  EXPECT_THAT(numbers(tracks, {box(0, 0)}, 9), ElementsAre(2)) << "time goes back";
  EXPECT_THAT(numbers(tracks, {box(0, 0)}, 10.5), ElementsAre(3)) << "more than a second later";
}

TEST(BoxTracks, WhatIsNotFoundMovesOnAndEnds) {
  BoxTracks tracks({.distance = 1, .max_age = 2});
  EXPECT_THAT(numbers(tracks, {box(0, 0, 10, 0)}, 0), ElementsAre(0));
  EXPECT_THAT(numbers(tracks, {}, 0.2), ElementsAre());
  EXPECT_THAT(numbers(tracks, {}, 0.4), ElementsAre());
  EXPECT_THAT(numbers(tracks, {box(6, 0, 10, 0)}, 0.6), ElementsAre(0));
  for (const double t : {0.7, 0.8, 0.9}) numbers(tracks, {}, t);
  EXPECT_THAT(numbers(tracks, {box(10, 0, 10, 0)}, 1.0), ElementsAre(1));
}

TEST(BoxTracks, LieInTheWorld) {
  BoxTracks tracks;
  EXPECT_THAT(numbers(tracks, {box(10, 0)}, 0, Pose::from_yaw(0, 0, 0, 0)), ElementsAre(0));
  // The vehicle has turned by a quarter and driven 3 m: a parked car lies to its right now.
  EXPECT_THAT(numbers(tracks, {box(0, -7)}, 0.1, Pose::from_yaw(3, 0, 0, 1.5707963267948966)), ElementsAre(0));
}

TEST(BoxTracker, KeepsDrivesApartAndNumbersThatThereAre) {
  BoxTracker tracker;
  const auto follow = [&](int64_t sequence, double timestamp, int64_t given = -1) {
    EvaluationFrame frame;
    frame.sequence = sequence;
    frame.timestamp = timestamp;
    frame.boxes = {box(0, 0)};
    frame.boxes[0].box.track = given;
    tracker.follow(frame);
    return frame.boxes[0].box.track;
  };
  EXPECT_EQ(follow(1, 0), 0);
  EXPECT_EQ(follow(2, 0), 0);
  EXPECT_EQ(follow(1, 0.1), 0);
  EXPECT_EQ(follow(1, 5), 1);
  EXPECT_EQ(follow(2, 0.1), 0);
  EXPECT_EQ(follow(2, 0.2, 77), 77);
}

/// A drive of one class: rows of (frame, track, x) at y = 0; half a second a frame.
using Row = std::tuple<int, int64_t, double>;
TrackedDrive drive(int frames, const std::vector<Row>& truth, const std::vector<Row>& found, double score = 0.9) {
  TrackedDrive result(static_cast<size_t>(frames));
  for (int f = 0; f < frames; ++f) result[static_cast<size_t>(f)].timestamp = 0.5 * f;
  for (const auto& [frame, track, x] : truth) result[static_cast<size_t>(frame)].truth.push_back({0, track, {x, 0}, 1});
  for (const auto& [frame, track, x] : found)
    result[static_cast<size_t>(frame)].found.push_back({0, track, {x, 0}, score});
  return result;
}

TEST(TrackingFigures, OfATrackThatIsFoundThroughout) {
  const std::vector<Row> truth = {{0, 1, 0}, {1, 1, 1}, {2, 1, 2}, {3, 1, 3}};
  const std::vector<Row> found = {{0, 5, 0.5}, {1, 5, 1.5}, {2, 5, 2.5}, {3, 5, 3.5}};
  const auto figures = tracking_figures({drive(4, truth, found)}, 0);
  ASSERT_TRUE(figures);
  EXPECT_DOUBLE_EQ(figures->amota, 1);
  EXPECT_DOUBLE_EQ(figures->amotp, 0.5);
  EXPECT_DOUBLE_EQ(figures->mota, 1);
  EXPECT_DOUBLE_EQ(figures->recall, 1);
  EXPECT_EQ(figures->switches, 0);
  EXPECT_EQ(figures->mostly_tracked, 1);
  EXPECT_EQ(figures->truths, 4);
  EXPECT_FALSE(tracking_figures({drive(4, truth, found)}, 1)) << "no truth is of that class";
}

TEST(TrackingFigures, ASwitchAMissAndAFalseAlarm) {
  const std::vector<Row> truth = {{0, 1, 0}, {1, 1, 1}, {2, 1, 2}, {3, 1, 3}, {4, 1, 4}};
  // Found as 5, as 6 from frame 1 on, not at all at frame 3, then as 7; and something 10 m off.
  const std::vector<Row> found = {{0, 5, 0}, {1, 6, 1}, {2, 6, 2}, {4, 7, 4}, {4, 8, 14}};
  const auto figures = tracking_figures({drive(5, truth, found)}, 0);
  ASSERT_TRUE(figures);
  EXPECT_EQ(figures->switches, 2);
  EXPECT_EQ(figures->misses, 1);
  EXPECT_EQ(figures->false_alarms, 1);
  EXPECT_EQ(figures->matches, 2);
  EXPECT_EQ(figures->fragments, 1);
  EXPECT_EQ(figures->mostly_tracked, 1) << "four of five";
  EXPECT_NEAR(figures->mota, 1 - 4.0 / 5, 1e-12);
  EXPECT_NEAR(figures->recall, 0.8, 1e-12);
  // Recalls up to 2/5 are reached, by matches: 14 of 40, each with MOTAR 1 - (4 - 3/5 * 5) / 2.
  EXPECT_NEAR(figures->amota, 14 * 0.5 / 40, 1e-12);
  EXPECT_NEAR(figures->amotp, 26 * 2.0 / 40, 1e-12);
}

TEST(TrackingFigures, OfNothingFound) {
  const auto figures = tracking_figures({drive(2, {{0, 1, 0}, {1, 1, 0}}, {})}, 0);
  ASSERT_TRUE(figures);
  EXPECT_EQ(figures->amota, 0);
  EXPECT_EQ(figures->amotp, 2);
  EXPECT_EQ(figures->misses, 2);
  EXPECT_EQ(figures->mostly_lost, 1);
  EXPECT_FALSE(figures->switches);
}

TEST(TrackingFigures, HolesAreFilledOnTheStraightLine) {
  const TrackedDrive filled = interpolated(drive(5, {{0, 1, 0}, {4, 1, 8}, {1, 2, 5}}, {{0, 9, 1}, {2, 9, 3}}));
  ASSERT_EQ(filled[3].truth.size(), 1u);
  EXPECT_NEAR(filled[3].truth[0].at.x, 6, 1e-12);
  EXPECT_EQ(filled[1].truth.size(), 2u);
  EXPECT_EQ(filled[1].found.size(), 1u);
  EXPECT_EQ(filled[3].found.size(), 0u);
}

TEST(TrackedFrame, HoldsNumberedTrueBoxesInTheWorld) {
  const LabelGrid range;
  Box3d known = box(10, 0).box, without = box(12, 0).box, unseen = box(14, 0).box;
  known.track = 3, unseen.track = 4, unseen.num_lidar_points = 0;
  ScoredBox found = box(10, 1), outside = box(100, 0);
  found.box.track = 8, outside.box.track = 9;
  const auto frame = tracked_frame({found, outside}, {known, without, unseen}, 2, Pose::from_yaw(5, 0, 0, 0), range);
  ASSERT_TRUE(frame);
  ASSERT_EQ(frame->truth.size(), 1u);
  EXPECT_EQ(frame->truth[0].track, 3);
  EXPECT_EQ(frame->truth[0].at.x, 15);
  ASSERT_EQ(frame->found.size(), 1u);
  EXPECT_EQ(frame->found[0].at.y, 1);
  EXPECT_FALSE(tracked_frame({found}, {without}, 2, {}, range)) << "nobody numbers labelled boxes";
  const TrackedDrive again = tracked_drive_from_json(to_json(TrackedDrive{*frame}));
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].timestamp, 2);
  EXPECT_EQ(again[0].truth[0].at.x, 15);
  EXPECT_EQ(again[0].found[0].track, 8);
}

TEST(Evaluator, TracksAreJudgedOverDrivesAndRanks) {
  EvaluationOptions options;
  const auto add = [&](Evaluator& evaluator, BoxTracker& tracker, int64_t sequence) {
    for (int f = 0; f < 4; ++f) {
      EvaluationFrame frame;
      frame.val_set = "val";
      frame.sequence = sequence;
      frame.timestamp = 0.1 * f;
      frame.ego_pose = Pose::from_yaw(f, 0, 0, 0);
      ScoredBox found = box(20 - f, 0.5);  // stands in the world
      frame.boxes = {found};
      found.box.y = 0;
      found.box.track = 4;
      frame.box_labels = {{found.box}};
      tracker.follow(frame);
      evaluator.add(frame);
    }
  };
  const auto table_of = [](const Evaluator& evaluator) {
    for (const Table& table : evaluator.tables())
      if (table.name == "tracking") return table;
    return Table();
  };
  Evaluator first(options), second(options);
  BoxTracker tracker;
  add(first, tracker, 1);
  add(second, tracker, 2);
  first.merge(second.state());
  const Table table = table_of(first);
  for (const char* name : {"car", "all"}) {
    EXPECT_DOUBLE_EQ(std::get<double>(table.find({"val", name}, "amota")), 1) << name;
    EXPECT_DOUBLE_EQ(std::get<double>(table.find({"val", name}, "amotp")), 0.5) << name;
    EXPECT_EQ(std::get<int64_t>(table.find({"val", name}, "truths")), 8) << name;
    EXPECT_EQ(std::get<int64_t>(table.find({"val", name}, "tracks")), 2) << name;
    EXPECT_EQ(std::get<int64_t>(table.find({"val", name}, "switches")), 0) << name;
  }
  options.tracking = false;
  Evaluator off(options);
  add(off, tracker, 3);
  EXPECT_TRUE(table_of(off).name.empty());
}

TEST(TrackingFigures, AreThoseOfTheDevkit) {
  std::ifstream file(testing::source_dir() + "/tests/golden/evaluation/tracking.txt");
  ASSERT_TRUE(file.good());
  std::vector<TrackedDrive> drives(4, TrackedDrive(24));
  for (TrackedDrive& one : drives)
    for (size_t f = 0; f < one.size(); ++f) one[f].timestamp = 0.5 * static_cast<double>(f);
  int classes = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string what;
    words >> what;
    if (what != "figures") {
      size_t number = 0, frame = 0;
      TrackedBox one;
      words >> number >> frame >> one.class_id >> one.track >> one.at.x >> one.at.y;
      if (what == "found") words >> one.score;
      (what == "truth" ? drives[number][frame].truth : drives[number][frame].found).push_back(one);
      continue;
    }
    int class_id = 0;
    words >> class_id;
    SCOPED_TRACE(class_id);
    ++classes;
    std::vector<double> wanted;
    for (std::string word; words >> word;) wanted.push_back(std::stod(word));
    const auto f = tracking_figures(drives, class_id);
    ASSERT_TRUE(f);
    const auto number = [](std::optional<int64_t> count) { return count ? static_cast<double>(*count) : std::nan(""); };
    const std::vector<double> got = {f->amota,
                                     f->amotp,
                                     f->recall,
                                     f->mota,
                                     f->motp,
                                     number(f->mostly_tracked),
                                     number(f->mostly_lost),
                                     number(f->matches),
                                     number(f->misses),
                                     number(f->false_alarms),
                                     number(f->switches),
                                     number(f->fragments),
                                     number(f->truths)};
    ASSERT_EQ(got.size(), wanted.size());
    for (size_t i = 0; i < got.size(); ++i) {
      ASSERT_EQ(std::isnan(wanted[i]), std::isnan(got[i])) << i;
      if (!std::isnan(wanted[i])) {
        EXPECT_NEAR(got[i], wanted[i], 1e-6) << i;
      }
    }
  }
  EXPECT_EQ(classes, 3);
}

}  // namespace
}  // namespace bevgrad
