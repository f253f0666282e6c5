// Attributes and tracks: in records, in mirrored worlds, and of the generator against what its sensors see.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "data/augmentation/ego_change.h"
#include "data/record.pb.h"
#include "data/scene/bodies.h"
#include "data/scene_rig.h"
#include "geometry/polyline.h"
#include "made_data.h"
#include "scene/internal/signals.h"

namespace bevgrad {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::small_options;
using testing::small_sample;

const RecordOrigin kOrigin{"/data/lmdb", "00/001"};

DatasetOptions options_with_attributes() {
  DatasetOptions options = small_options();
  options.labels.box_attributes = known_box_attributes();
  options.labels.lane_attributes = known_lane_attributes();
  return options;
}

Sample described_sample() {
  Sample sample = small_sample("00/001", 3, 4.5);
  sample.labels.boxes[0].attributes = {2, -1, -1, 1, -1};  // parked, turning left
  sample.labels.boxes[0].track = 17;
  sample.labels.lane_shapes[0].attributes = {1};  // yellow
  return sample;
}

Sample decode(const std::string& bytes, const DatasetOptions& options) {
  return decode_record({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, options, kOrigin);
}

TEST(Attributes, GoThroughRecordsByName) {
  const std::string bytes = encode_record(described_sample(), options_with_attributes(), {});
  const Labels same = decode(bytes, options_with_attributes()).labels;
  EXPECT_THAT(same.boxes[0].attributes, ElementsAre(2, -1, -1, 1, -1));
  EXPECT_TRUE(same.boxes[1].attributes.empty());
  EXPECT_EQ(same.boxes[0].track, 17);
  EXPECT_EQ(same.boxes[1].track, -1);
  EXPECT_THAT(same.lane_shapes[0].attributes, ElementsAre(1));
  // Another config: other kinds, values in another order, one that nobody has written.
  DatasetOptions other = small_options();
  other.labels.box_attributes = {{"turn_light", {"hazard", "left"}}, {"colour", {"red"}}, {"motion", {"moving"}}};
  other.labels.lane_attributes = {{"color", {"yellow", "white"}}};
  const Labels matched = decode(bytes, other).labels;
  EXPECT_THAT(matched.boxes[0].attributes, ElementsAre(1, -1, -1)) << "parked is no value there";
  EXPECT_THAT(matched.lane_shapes[0].attributes, ElementsAre(0));
  EXPECT_TRUE(decode(bytes, small_options()).labels.boxes[0].attributes.empty()) << "nobody asks for them";
}

TEST(Attributes, RecordsWithoutThemAreAsTheyWere) {
  records::Sample stored;
  ASSERT_TRUE(stored.ParseFromString(encode_record(small_sample("00/001", 3, 4.5), options_with_attributes(), {})));
  EXPECT_EQ(stored.labels().box_attributes_size(), 0);
  EXPECT_EQ(stored.labels().lane_attributes_size(), 0);
  EXPECT_EQ(stored.labels().boxes(0).attributes_size(), 0);
}

TEST(Attributes, WrongNumbersAreRefusedByName) {
  const auto refused = [&](const std::function<void(records::Labels&)>& spoil) {
    records::Sample stored;
    EXPECT_TRUE(stored.ParseFromString(encode_record(described_sample(), options_with_attributes(), {})));
    spoil(*stored.mutable_labels());
    return testing::error_of([&] { decode(stored.SerializeAsString(), options_with_attributes()); });
  };
  EXPECT_THAT(refused([](records::Labels& l) { l.mutable_boxes(0)->add_attributes(0); }),
              HasSubstr("expected one for each of 5 kinds"));
  EXPECT_THAT(refused([](records::Labels& l) { l.mutable_boxes(0)->set_attributes(0, 4); }),
              HasSubstr("attributes[0] is 4, expected 0 to 3"));
  EXPECT_THAT(refused([](records::Labels& l) { l.mutable_lane_shapes(0)->set_attributes(0, 9); }),
              HasSubstr("lane_shapes[0].attributes"));
  EXPECT_THAT(refused([](records::Labels& l) { l.mutable_boxes(0)->set_track(-2); }), HasSubstr("boxes[0].track"));
  EXPECT_THAT(refused([](records::Labels& l) { l.mutable_box_attributes(1)->set_name("motion"); }),
              HasSubstr("'motion' twice"));
  Sample sample = described_sample();
  sample.labels.boxes[0].attributes = {2};
  EXPECT_THAT(testing::error_of([&] { encode_record(sample, options_with_attributes(), {}); }),
              HasSubstr("1 attributes for 5 kinds"));
}

TEST(Attributes, LeftAndRightChangeInAMirroredWorld) {
  const LabelSchema labels = options_with_attributes().labels;
  Sample sample = described_sample();
  change_ego(sample, {.mirror = true, .shift = {}}, labels);
  EXPECT_THAT(sample.labels.boxes[0].attributes, ElementsAre(2, -1, -1, 2, -1));
  EXPECT_THAT(sample.labels.lane_shapes[0].attributes, ElementsAre(1));
  EXPECT_EQ(sample.labels.boxes[0].track, 17);
  Sample turned = described_sample();
  change_ego(turned, {.yaw = 0.3, .shift = {}}, labels);
  EXPECT_THAT(turned.labels.boxes[0].attributes, ElementsAre(2, -1, -1, 1, -1));
}

// ---- the generator

SceneOptions described_scene(int frames, int width = 480, int height = 288) {
  SceneOptions options = testing::small_scene(frames, width, height);
  options.labels.box_attributes = known_box_attributes();
  options.labels.lane_attributes = known_lane_attributes();
  options.night = 0;
  options.image_noise = 1;
  return options;
}

int kind_of(const char* name) {
  const auto kinds = known_box_attributes();
  for (size_t k = 0; k < kinds.size(); ++k)
    if (kinds[k].name == name) return static_cast<int>(k);
  return -1;
}

/// How red, and how amber, a picture is around a place; nothing where the camera does not see it.
struct Seen {
  double red = 0, amber = 0;
};
std::optional<Seen> look(const CameraImage& picture, const CameraProjector& projector, Vec3 place) {
  const auto pixel = projector.project(place);
  if (!pixel) return {};
  const auto column = static_cast<int64_t>(std::lround(pixel->u)), row = static_cast<int64_t>(std::lround(pixel->v));
  const auto* p = static_cast<const uint8_t*>(picture.image.raw_data()) + 3 * (row * picture.camera.width + column);
  return Seen{p[0] - (p[1] + p[2]) / 2.0, std::min(p[0], p[1]) - 1.0 * p[2]};
}

TEST(SceneAttributes, SayWhatTheMotionShowsAndEveryValueOccurs) {
  const auto motion = static_cast<size_t>(kind_of("motion")), rider = static_cast<size_t>(kind_of("rider"));
  const std::vector<AttributeKind> kinds = known_box_attributes();
  const LabelSchema schema;
  std::map<std::string, int> found;
  for (uint64_t seed = 1; seed < 13; ++seed) {
    SceneOptions options = described_scene(20, 40, 24);
    options.cameras.clear();
    options.parking = seed % 2 == 0 ? 1 : 0;
    SceneDrive drive(options, seed, 0);
    std::map<int64_t, Box3d> first;
    while (const auto sample = drive.next()) {
      for (const Box3d& box : sample->labels.boxes) {
        for (size_t k = 0; k < kinds.size(); ++k)
          if (const int value = value_of(box.attributes, k); value >= 0)
            ++found[kinds[k].name + " " + kinds[k].values[static_cast<size_t>(value)]];
        const std::string& name = schema.dynamic_classes[static_cast<size_t>(box.class_id)];
        ASSERT_GE(box.track, 0);
        const int says = value_of(box.attributes, motion);
        const double speed = std::hypot(box.vx, box.vy);
        EXPECT_EQ(says == 0, says >= 0 && speed >= scene::kStandingSpeed);
        EXPECT_TRUE(says != 2 || speed == 0);
        EXPECT_EQ(says < 0, name == "barrier" || name == "pillar");
        EXPECT_EQ(value_of(box.attributes, rider), name == "non_motor" ? 1 : name == "riderless_non_motor" ? 0 : -1);
        const auto [known, is_new] = first.emplace(box.track, box);
        EXPECT_EQ(known->second.class_id, box.class_id) << "a track is one object";
        EXPECT_EQ(known->second.l, box.l);
      }
      for (const LabelShape& shape : sample->labels.lane_shapes) {
        ASSERT_EQ(shape.attributes.size(), 1u);
        ++found[shape.attributes[0] == 0 ? "white" : "yellow"];
      }
    }
  }
  for (const AttributeKind& kind : kinds)
    for (const std::string& value : kind.values)
      EXPECT_GE(found[kind.name + " " + value], 5) << kind.name << " " << value;
  EXPECT_GE(found["white"], 5);
  EXPECT_GE(found["yellow"], 5);
}

TEST(SceneAttributes, ColoursAreThoseOfThePaint) {
  double white = 0, yellow = 0;
  int whites = 0, yellows = 0;
  for (uint64_t seed = 21; seed < 37; ++seed) {
    SceneOptions options = described_scene(1);
    options.cameras.resize(1);
    options.parking = 0;
    options.ground_cell = 0.05;
    SceneDrive drive(options, seed, 0);
    const Sample sample = *drive.next();
    const CameraProjector projector(sample.cameras[0].camera);
    for (const LabelShape& shape : sample.labels.lane_shapes) {
      if (shape.class_id != 0 && shape.class_id != 6) continue;  // solid lines of one stripe
      for (double s = 0.2; s < length(shape.points); s += 0.4) {
        const Vec2 p = at_length(shape.points, s).position;
        if (norm(p) > 15) continue;
        const auto seen = look(sample.cameras[0], projector, {p.x, p.y, 0});
        if (!seen) continue;
        (shape.attributes[0] == 0 ? white : yellow) += seen->amber;
        ++(shape.attributes[0] == 0 ? whites : yellows);
      }
    }
  }
  ASSERT_GT(whites, 30);
  ASSERT_GT(yellows, 5);
  EXPECT_GT(yellow / yellows, white / whites + 25);
}

TEST(SceneAttributes, AnOpenDoorStandsOffTheCar) {
  scene::Actor car;
  scene::ActorState state = {true, {10, 5}, {}, 0.7};
  std::vector<scene::Solid> closed, open;
  scene::append_body(car, state, closed);
  for (const int side : {1, -1}) {
    state.door = side;
    open.clear();
    scene::append_body(car, state, open);
    ASSERT_EQ(open.size(), closed.size() + 1);
    const RotatedBox& door = open.back().footprint;
    const Vec2 from_car = Vec2{door.x, door.y} - state.position;
    const double across = dot(from_car, left_of(direction(state.yaw)));
    EXPECT_GT(side * across, car.width / 2);
    EXPECT_LT(side * across, car.width / 2 + 0.7);
  }
}

TEST(SceneAttributes, NobodySignalsWhereNobodyAsks) {
  SceneOptions options = described_scene(10, 40, 24);
  options.labels.box_attributes.clear();
  options.labels.lane_attributes.clear();
  SceneDrive drive(options, 4, 0);
  while (const auto sample = drive.next())
    for (const Box3d& box : sample->labels.boxes) EXPECT_TRUE(box.attributes.empty());
  for (const scene::DriveFrame& frame : drive.drive().frames)
    for (const scene::ActorState& state : frame.actors) {
      EXPECT_EQ(state.lamps, 0);
      EXPECT_EQ(state.door, 0);
    }
}

TEST(SceneAttributes, TrafficThatKeepsItsLaneKeepsItsDistances) {
  const scene::Motion first = {{{1, 2}, {100, 2}}, 0, 6, false};
  scene::Motion second = first;
  second.start = 12;
  const scene::Random random(3);
  const auto a = scene::stop_and_go(first, 1000, random);
  EXPECT_EQ(a, scene::stop_and_go(second, 1000, random));
  second.path.front() = {1, 5};
  EXPECT_NE(a, scene::stop_and_go(second, 1000, random));
  double stopped = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_GE(a[i], 0);
    EXPECT_LE(a[i], 6);
    stopped += a[i] < scene::kStandingSpeed;
    EXPECT_LE(std::abs(a[i] - a[i == 0 ? 0 : i - 1]), 2.5 * scene::kTimeStep + 1e-9);
  }
  EXPECT_EQ(a.front(), 6);
}

}  // namespace
}  // namespace bevgrad
