// Data that is plausible and wrong.
#include <cmath>
#include <cstring>

#include "data/check/check_dataset.h"
#include "data/dataset_summary.h"
#include "data/record.pb.h"
#include "data/recorded_options.h"
#include "data/split.h"
#include "internal/check/cameras.h"
#include "made_data.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using testing::error_of;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::small_options;
using testing::small_sample;
using testing::TemporaryFolder;

/// Upright cameras with a plain lens, points on the ground, a vehicle that drives along x at 10 m/s.
Sample sound_sample(int64_t sequence, int frame, double period) {
  Sample sample = small_sample(fmt::format("{}/{:03}", sequence, frame), sequence, period * frame);
  sample.ego_pose = sample.true_pose =
      Pose::from_yaw(10 * sample.timestamp, 100.0 * static_cast<double>(sequence), 0, 0);
  double yaw = 0;
  for (CameraImage& camera : sample.cameras) {
    camera.camera.distortion = {};
    camera.camera.sensor2ego = camera_mount({1.5, 0, 1.4}, yaw, 0.1, 0);
    yaw += 1.6;
  }
  std::vector<float> points;
  for (int i = 0; i < 800; ++i) {
    const double angle = 0.1 * i, range = 3 + 0.02 * i;
    points.insert(points.end(),
                  {static_cast<float>(range * std::cos(angle)), static_cast<float>(range * std::sin(angle)),
                   static_cast<float>(0.02 * (i % 3)), 0.4f});
  }
  sample.points = empty({800, 4});
  std::copy(points.begin(), points.end(), sample.points.data<float>());
  sample.labels.boxes.clear();
  for (int i = 0; i < 3; ++i)
    sample.labels.boxes.push_back({.x = 8.0 + 10 * i,
                                   .y = 3,
                                   .z = 0.8,
                                   .l = 4,
                                   .w = 2,
                                   .h = 1.6,
                                   .yaw = 0.2,
                                   .vx = 5,
                                   .vy = 1,
                                   .class_id = 0,
                                   .num_lidar_points = -1});
  return sample;
}

/// A dataset of `sequences` drives of 12 frames, changed by `change`, as records.
template <class Change>
CheckReport check_changed(Change change, CheckOptions options = {}, int sequences = 1, double period = 0.5,
                          const DatasetOptions& reading = small_options()) {
  TemporaryFolder folder;
  LmdbWriter writer(folder / "lmdb");
  std::vector<std::string> keys;
  for (int64_t sequence = 0; sequence < sequences; ++sequence)
    for (int frame = 0; frame < 12; ++frame) {
      records::Sample stored;
      stored.ParseFromString(encode_record(sound_sample(sequence, frame, period), small_options()));
      change(stored);
      writer.put(stored.key(), stored.SerializeAsString());
      keys.push_back(stored.key());
    }
  writer.finish();
  write_lines(folder / "all.txt", keys);
  write_lines(folder / "lmdb.txt", {"lmdb"});
  const Dataset dataset(folder / "lmdb.txt", {{"all", {folder / "all.txt"}}}, reading);
  options.decode_pictures = true;
  const CheckReport report = check_dataset(dataset, options);
  for (const Finding& finding : report.findings) EXPECT_EQ(finding.what.find('\n'), std::string::npos);
  return report;
}

std::vector<std::string> texts(const CheckReport& report) {
  std::vector<std::string> lines;
  for (const Finding& finding : report.findings)
    if (finding.severity != Severity::Note) lines.push_back(to_text(finding));
  return lines;
}

void nothing(records::Sample&) {}

TEST(CheckDataset, SoundDataHasNoFinding) {
  const CheckReport report = check_changed(nothing, {.training = true});
  EXPECT_EQ(report.records, 12);
  EXPECT_THAT(texts(report), IsEmpty());
}

struct Wrong {
  std::string name;
  std::function<void(records::Sample&)> change;
  std::string says, place;
};

class WrongData : public ::testing::TestWithParam<Wrong> {};

TEST_P(WrongData, IsNamedOnceWithItsCount) {
  const CheckReport report = check_changed(GetParam().change);
  int64_t found = 0;
  for (const Finding& finding : report.findings)
    if (finding.what.find(GetParam().says) != std::string::npos) {
      ++found;
      EXPECT_THAT(finding.where + ": " + finding.what, HasSubstr(GetParam().place));
    }
  EXPECT_EQ(found, 1) << ::testing::PrintToString(texts(report));
}

void set_pose(google::protobuf::RepeatedField<double>* stored, const Pose& pose) {
  stored->Assign(pose.m.begin(), pose.m.end());
}

Pose pose_of(const google::protobuf::RepeatedField<double>& stored) {
  Pose pose;
  std::copy(stored.begin(), stored.end(), pose.m.begin());
  return pose;
}

/// Rewrites the points one by one.
template <class Change>
void change_points(records::Sample& s, Change change) {
  std::vector<float> values;
  const Tensor points = sound_sample(0, 0, 0).points;
  for (int64_t i = 0; i < points.numel(); ++i) values.push_back(points.data<float>()[i]);
  for (size_t i = 0; i < values.size(); i += 4) change(&values[i]);
  s.mutable_points()->clear_crc32();
  s.mutable_points()->set_float32(std::string(reinterpret_cast<const char*>(values.data()), values.size() * 4));
}

INSTANTIATE_TEST_SUITE_P(
    Every, WrongData,
    ::testing::Values(
        Wrong{"principal_point", [](auto& s) { s.mutable_cameras(0)->set_cx(70); }, "outside the picture of 64x48",
              "record '0/000': camera 'front'"},
        Wrong{"halved_picture",
              [](auto& s) {
                s.mutable_cameras(0)->set_cx(45);
                s.mutable_cameras(0)->set_cy(33);
              },
              "at 70 % of the width", "camera 'front'"},
        Wrong{"masked",
              [](auto& s) {
                for (const float corner : {0, 0, 64, 0, 64, 40, 0, 40})
                  (s.cameras(0).ego_mask().empty() ? s.mutable_cameras(0)->add_ego_mask()
                                                   : s.mutable_cameras(0)->mutable_ego_mask(0))
                      ->add_uv(corner);
              },
              "ego_mask covers 83 % of the picture", "camera 'front'"},
        Wrong{"mask_of_another_size",
              [](auto& s) {
                auto* mask = s.mutable_cameras(0)->add_ego_mask();
                for (const float corner : {0, 400, 640, 400, 640, 480}) mask->add_uv(corner);
              },
              "ego_mask covers nothing of the picture of 64x48", "camera 'front'"},
        Wrong{"below_ground", [](auto& s) { s.mutable_cameras(1)->set_sensor2ego(11, -1.5); },
              "1.50 m below the ground", "camera 'left'"},
        Wrong{"far_off", [](auto& s) { s.mutable_cameras(1)->set_sensor2ego(3, 9); }, "9.1 m off", "camera 'left'"},
        Wrong{"inverted",
              [](auto& s) {
                for (auto& camera : *s.mutable_cameras())
                  if (camera.name() == "front")
                    set_pose(camera.mutable_sensor2ego(), pose_of(camera.sensor2ego()).inverse());
              },
              "sensor2ego looks inverted", "camera 'front'"},
        Wrong{"on_its_head",
              [](auto& s) {
                set_pose(s.mutable_cameras(0)->mutable_sensor2ego(), camera_mount({1.5, 0, 1.4}, 0, 0, 3.1));
              },
              "on its side or its head", "camera 'front'"},
        Wrong{"folding_fisheye", [](auto& s) { s.mutable_cameras(1)->set_distortion(0, -3); },
              "sees to 19.1 of its 95.0 degrees", "camera 'left'"},
        Wrong{"folding_pinhole", [](auto& s) { s.mutable_cameras(0)->set_distortion(0, -0.5); },
              "folds back at 39.2 degrees", "camera 'front'"},
        Wrong{"z_down",
              [](auto& s) {
                set_pose(s.mutable_ego_pose(), pose_of(s.ego_pose()) * Pose::from_angles({}, 0, 0, 3.14159265));
              },
              "z axis points down", "ego_pose"},
        Wrong{"on_its_side",
              [](auto& s) { set_pose(s.mutable_ego_pose(), pose_of(s.ego_pose()) * Pose::from_angles({}, 0, 0, 1.5)); },
              "86 degrees off upward", "ego_pose"},
        Wrong{"sideways",
              [](auto& s) { set_pose(s.mutable_ego_pose(), pose_of(s.ego_pose()) * Pose::from_yaw(0, 0, 0, 1.5)); },
              "moves sideways in 11 of 11", "ego_pose"},
        Wrong{"racing", [](auto& s) { s.set_ego_pose(3, 50 * s.timestamp() * 10); }, "more than 80 m/s", "ego_pose"},
        Wrong{"lidar_frame", [](auto& s) { change_points(s, [](float* p) { p[2] -= 1.83f; }); }, "lie at z = -1.8 m",
              "points"},
        Wrong{"all_zero", [](auto& s) { change_points(s, [](float* p) { p[0] = p[1] = p[2] = 0; }); },
              "800 of 800 lie at the origin", "points"},
        Wrong{"dark", [](auto& s) { change_points(s, [](float* p) { p[3] /= 255; }); }, "divided by 255 twice",
              "points"},
        Wrong{"bright", [](auto& s) { change_points(s, [](float* p) { p[3] *= 255; }); },
              "expected an intensity from 0 to 1", "points[0][3]"},
        Wrong{"empty_boxes", [](auto& s) { s.mutable_labels()->mutable_boxes(0)->set_num_lidar_points(90); },
              "of the 1080 points", "boxes"},
        Wrong{"across",
              [](auto& s) {
                for (auto& box : *s.mutable_labels()->mutable_boxes()) box.set_yaw(box.yaw() + 1.57f);
              },
              "36 of 36 moving ones move across", "boxes[0]"},
        Wrong{"backward",
              [](auto& s) {
                for (auto& box : *s.mutable_labels()->mutable_boxes()) box.set_yaw(box.yaw() + 3.1f);
              },
              "move against their heading", "boxes[0]"},
        Wrong{"milliseconds", [](auto& s) { s.set_timestamp(s.timestamp() * 1e6); }, "milli-, micro- or nanoseconds",
              "timestamp"},
        Wrong{"too_close", [](auto& s) { s.set_timestamp(s.timestamp() / 1e6); }, "divided once too often",
              "timestamp"},
        Wrong{
            "misspelt", [](auto& s) { s.mutable_labels()->set_lane_classes(0, "solidline"); },
            "lane class 'solidline' of the records is none of the config's and is left out, did you mean \"SolidLine\"",
            ""},
        Wrong{"missing_class",
              [](auto& s) {
                s.mutable_labels()->mutable_road()->set_layers(1);
                s.mutable_labels()->clear_road();
                s.mutable_labels()->clear_road_shapes();
                s.mutable_labels()->clear_road_classes();
                s.mutable_labels()->add_road_classes("Curb");
              },
              "road classes of the config that none of the 12 records looked at names: Wall, SpeedBump, GroundSigns",
              ""},
        Wrong{"damaged", [](auto& s) { s.mutable_labels()->mutable_boxes(1)->set_yaw(NAN); }, "boxes[1].yaw is nan",
              "record '0/000'"}),
    [](const auto& info) { return info.param.name; });

TEST(CheckDataset, CountsRecordsAndNotLines) {
  const CheckReport report = check_changed([](auto& s) { s.mutable_cameras(0)->set_cx(70); });
  ASSERT_EQ(report.findings.size(), 1u);
  EXPECT_EQ(report.findings[0].count, 12);
  EXPECT_TRUE(report.has_errors());
}

TEST(CheckDataset, ATaskWithoutALabelStopsATraining) {
  const auto rename = [](records::Sample& s) {
    for (auto* names : {s.mutable_labels()->mutable_lane_classes(), s.mutable_labels()->mutable_road_classes(),
                        s.mutable_labels()->mutable_instance_classes()})
      for (std::string& name : *names) name = "my_" + name;
  };
  const CheckReport report = check_changed(rename, {.training = true});
  ASSERT_FALSE(report.findings.empty());
  EXPECT_TRUE(report.findings[0].stops_run);
  EXPECT_THAT(report.findings[0].what, AllOf(HasSubstr("the static task has no label"), HasSubstr("my_SolidLine")));
  EXPECT_FALSE(check_changed(rename, {.training = false}).findings[0].stops_run);
  EXPECT_THAT(texts(check_changed(rename, {.static_task = false, .training = true})), IsEmpty());
  const auto no_boxes = [](records::Sample& s) { s.mutable_labels()->clear_boxes(); };
  EXPECT_THAT(texts(check_changed(no_boxes, {.training = true})),
              Contains(HasSubstr("the dynamic task has no label in any record: none of its classes occurs")));
}

TEST(CheckDataset, ALabelInOneRecordOfManyIsFound) {
  const auto last_only = [](records::Sample& s) {
    if (s.key() != "0/005") s.mutable_labels()->clear_boxes();
  };
  EXPECT_THAT(texts(check_changed(last_only, {.training = true, .most_records = 2})), IsEmpty());
}

TEST(CheckHistory, SaysForHowManyFramesEachSlotIsFound) {
  const HistoryRule rule{.intervals = {0.7, 1.9, 3.3}};
  const CheckReport report = check_changed(nothing, {.training = true, .history = rule}, 3);
  EXPECT_THAT(report.history,
              ::testing::ElementsAre("all: history of 0.7 s found for 0 of 36 frames, 1.9 s for 24, 3.3 s "
                                     "for 0 (frames are 0.50 s apart)"));
  ASSERT_GE(report.findings.size(), 2u);
  EXPECT_TRUE(report.findings[0].stops_run);
  EXPECT_THAT(report.findings[0].what,
              AllOf(HasSubstr("0.7 s"), HasSubstr("none of 36 frames"), HasSubstr("temporal.intervals=[0.5, 2, 3.5]")));
  const HistoryRule right{.intervals = {0.5, 2.0, 3.5}};
  EXPECT_THAT(texts(check_changed(nothing, {.training = true, .history = right}, 3)), IsEmpty());
  // Every frame a sequence of its own.
  const auto alone = [number = int64_t{0}](records::Sample& s) mutable { s.set_sequence(number++); };
  EXPECT_THAT(texts(check_changed(alone, {.training = true, .history = right})),
              Contains(HasSubstr("no sequence has two frames")));
  // What is kept, and what is played in a row, bounds how far back a match may lie.
  EXPECT_THAT(check_changed(nothing, {.history = {.intervals = {3.5}, .max_capacity = 6}}).history[0],
              HasSubstr("for 0 of 12"));
  EXPECT_THAT(check_changed(nothing, {.history = {.intervals = {3.5}, .chunk_frames = 7}}).history[0],
              HasSubstr("for 0 of 12"));
  EXPECT_THAT(check_changed(nothing, {.history = {.intervals = {3.5}}}).history[0], HasSubstr("for 5 of 12"));
}

TEST(CheckHistory, ARunOnDataThatIsNeverFoundDoesNotBegin) {
  TemporaryFolder folder;
  testing::write_small_dataset(folder, {6});
  const Dataset dataset(folder / "lmdb.txt", {{"all", {folder / "all.txt"}}}, small_options());
  EXPECT_THAT(error_of([&] { check_briefly(dataset, {.training = true, .history = {.intervals = {0.7}}}); }),
              AllOf(HasSubstr("none of 6 frames"), HasSubstr("bevgrad data check")));
  EXPECT_THAT(check_briefly(dataset, {.training = false, .history = {.intervals = {0.7}}})[0],
              HasSubstr("all: history of 0.7 s found for 0 of 6 frames"));
}

TEST(CheckCamera, CalibrationsOfTheGeneratorsKindAreSound) {
  for (const double yaw : {0.0, 1.57, 3.14, -1.57})
    for (const double pitch : {-0.1, 0.0, 0.7}) {
      Camera camera = camera_with_fov(CameraKind::Pinhole, 960, 512, 1.7);
      camera.sensor2ego = camera_mount({1, 0.5, 1.5}, yaw, pitch, 0);
      EXPECT_THAT(check_camera(camera), IsEmpty());
      // Seen from itself, a camera that looks to the right looks to the right.
      if (yaw < 0) continue;
      camera.sensor2ego = camera.sensor2ego.inverse();
      ASSERT_EQ(check_camera(camera).size(), 1u) << yaw << " " << pitch;
      EXPECT_EQ(check_camera(camera)[0].id, "inverted") << yaw << " " << pitch;
    }
  Camera down = camera_with_fov(CameraKind::Fisheye, 640, 640, 3.0);
  down.sensor2ego = camera_mount({1, 0, 1.5}, 0, 1.57, 0);
  EXPECT_THAT(check_camera(down), IsEmpty()) << "a camera that looks down has no lower edge";
}

TEST(RecordedOptions, ReadWhatTheRecordsHold) {
  TemporaryFolder folder;
  testing::write_small_dataset(folder, {3, 2});
  const Dataset plain(folder / "lmdb.txt", {{"all", {folder / "all.txt"}}}, {});
  const DatasetOptions options = recorded_options(plain);
  ASSERT_EQ(options.groups.size(), 3u);
  EXPECT_EQ(options.groups[0].height, 48);
  EXPECT_EQ(options.labels.grid.columns(), 20);
  EXPECT_EQ(options.labels.lane_classes.size(), 9u);
  const Dataset dataset(folder / "lmdb.txt", {{"all", {folder / "all.txt"}}}, options);
  EXPECT_EQ(dataset.load(1).cameras[0].image.size(1), 48);
  const DatasetSummary summary = summarise(dataset);
  EXPECT_EQ(summary.looked_at, 5);
  ASSERT_EQ(summary.sets.size(), 1u);
  EXPECT_EQ(summary.sets[0].sequences, 2);
  EXPECT_NEAR(summary.sets[0].metres, 3, 1e-6);
  ASSERT_EQ(summary.cameras.size(), 3u);
  EXPECT_EQ(summary.cameras[1].model, "fisheye");
  EXPECT_EQ(summary.classes.of(ClassKind::Dynamic).at("pillar").items, 5);
  EXPECT_EQ(summary.classes.of(ClassKind::Lane).at("DashedLine").items, 5);
  EXPECT_EQ(summarise(dataset, 2).looked_at, 2);
}

std::vector<DrivenFrame> street(int64_t stream, Vec2 from, Vec2 to, int frames) {
  std::vector<DrivenFrame> driven;
  for (int i = 0; i < frames; ++i)
    driven.push_back(
        {fmt::format("{}/{}", stream, i), stream, from + (to - from) * (static_cast<double>(i) / (frames - 1))});
  return driven;
}

std::vector<DrivenFrame> together(std::initializer_list<std::vector<DrivenFrame>> all) {
  std::vector<DrivenFrame> frames;
  for (const auto& some : all) frames.insert(frames.end(), some.begin(), some.end());
  return frames;
}

double nearest(const std::vector<DrivenFrame>& frames, const PlaceSplit& split) {
  double nearest = 1e9;
  const auto at = [&](const std::string& key) {
    return std::find_if(frames.begin(), frames.end(), [&](const DrivenFrame& f) { return f.key == key; })->at;
  };
  for (const std::string& a : split.train)
    for (const std::string& b : split.val) nearest = std::min(nearest, norm(at(a) - at(b)));
  return nearest;
}

TEST(SplitByPlace, StreetsThatMeetStayTogether) {
  // Two crossing streets, one far away, driven twice.
  const auto frames = together({street(0, {0, 0}, {500, 0}, 100), street(1, {250, -250}, {250, 250}, 100),
                                street(2, {3000, 0}, {3300, 0}, 40), street(3, {3300, 3}, {3000, 3}, 40)});
  for (uint64_t seed = 0; seed < 6; ++seed) {
    const PlaceSplit split = split_by_place(frames, {.val_share = 0.3, .margin = 100, .seed = seed});
    EXPECT_EQ(split.areas, 2);
    EXPECT_FALSE(split.is_cut);
    EXPECT_EQ(split.val.size(), 80u);
    EXPECT_EQ(split.train.size(), 200u);
    EXPECT_GT(nearest(frames, split), 100);
  }
}

TEST(SplitByPlace, OneAreaIsCutAndWhatIsNearTheLineIsDropped) {
  const auto frames = together({street(0, {0, 0}, {1000, 200}, 300), street(1, {1000, 210}, {0, 10}, 300)});
  const PlaceSplit split = split_by_place(frames, {.val_share = 0.25, .margin = 120});
  EXPECT_TRUE(split.is_cut);
  EXPECT_EQ(split.areas, 1);
  EXPECT_GT(split.dropped.size(), 30u);
  EXPECT_GT(split.val.size(), 90u);
  EXPECT_EQ(split.train.size() + split.val.size() + split.dropped.size(), frames.size());
  EXPECT_GE(nearest(frames, split), 119.9);
  EXPECT_THAT(error_of([&] {
                split_by_place(street(0, {0, 0}, {50, 0}, 20), {.margin = 120});
              }),
              HasSubstr("smaller margin"));
}

TEST(Overlap, IsMeasuredAlongThePath) {
  const auto a = street(0, {0, 0}, {100, 0}, 101), b = street(0, {60, 5}, {200, 5}, 141);
  const Overlap result = overlap(a, b, 6);
  EXPECT_NEAR(result.driven, 100, 1e-9);
  EXPECT_NEAR(result.metres, 43, 1.1);  // from 3 m before b begins
  EXPECT_NEAR(result.nearest, 5, 1e-9);
  EXPECT_TRUE(std::isinf(overlap(a, street(0, {0, 500}, {9, 500}, 10), 6).nearest));
}

}  // namespace
}  // namespace bevgrad
