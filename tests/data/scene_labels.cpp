// Labels against what the sensors see, and against how the paint was planned.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "data/scene/bodies.h"
#include "data/scene_rig.h"
#include "geometry/polyline.h"

namespace bevgrad {
namespace {

using namespace scene;
using testing::small_scene;

double brightness(const CameraImage& picture, Pixel pixel) {
  const auto* rgb = static_cast<const uint8_t*>(picture.image.raw_data());
  const auto column = static_cast<int64_t>(std::lround(pixel.u)), row = static_cast<int64_t>(std::lround(pixel.v));
  const uint8_t* p = rgb + 3 * (row * picture.camera.width + column);
  return (p[0] + p[1] + p[2]) / 3.0;
}

bool sees(const Labels& labels, Vec2 p) {
  const auto r = static_cast<int64_t>((p.y + 22.4) / 0.2), c = static_cast<int64_t>((p.x + 20.8) / 0.2);
  return labels.visibility.data<uint8_t>()[kSeenByCameraNow * 224 * 416 + r * 416 + c] != 0;
}

TEST(SceneLabels, PaintLiesWhereThePicturesShowIt) {
  // Each camera on its own, so that what is marked visible is visible in its picture.
  for (size_t which = 0; which < 4; ++which) {
    double on = 0, beside = 0;
    int points = 0, brighter = 0;
    for (uint64_t seed = 101; seed < 107; ++seed) {
      SceneOptions options = small_scene(1, 480, 288);
      options.cameras = {options.cameras[which]};
      options.night = 0;
      options.parking = 0;
      options.ground_cell = 0.05;
      options.image_noise = 1;
      options.has_lidar = false;
      SceneDrive drive(options, seed, 0);
      const Sample sample = *drive.next();
      const CameraProjector projector(sample.cameras[0].camera);
      const auto look = [&](Vec2 p) -> double {
        if (std::abs(p.y) > 22 || p.x < -20 || p.x > 60 || !sees(sample.labels, p)) return -1;
        const auto pixel = projector.project({p.x, p.y, 0});
        return pixel ? brightness(sample.cameras[0], *pixel) : -1;
      };
      for (const LabelShape& shape : sample.labels.lane_shapes) {
        // Types of one stripe, whose middle line is paint.
        const auto type = static_cast<LaneType>(shape.class_id);
        if (type == LaneType::DoubleSolidLine || type == LaneType::DoubleDashedLine ||
            type == LaneType::LeftSolidRightDashed || type == LaneType::RightSolidLeftDashed)
          continue;
        for (double s = 0.2; s < length(shape.points) - 0.2; s += 0.15) {
          const PolylinePoint at = at_length(shape.points, s);
          if (norm(at.position) > (which < 2 ? 18 : 10)) continue;
          const double here = look(at.position), left = look(at.position + left_of(at.tangent) * 0.8),
                       right = look(at.position - left_of(at.tangent) * 0.8);
          if (here < 0 || left < 0 || right < 0) continue;
          on += here;
          beside += (left + right) / 2;
          ++points;
          brighter += here > std::max(left, right) + 10;
        }
      }
    }
    ASSERT_GT(points, 60) << "camera " << which;
    EXPECT_GT(on, 1.5 * beside) << "camera " << which;
    EXPECT_GT(brighter, points * 0.66) << "camera " << which << " of " << points;
  }
}

TEST(SceneLabels, EveryClassAppears) {
  std::map<std::string, int> found;
  LayoutOptions options;
  for (uint64_t i = 0; i < 24; ++i) {
    const Layout layout = make_layout(options, layout_seed(1, Split::Train, i));
    std::set<std::string> here;
    for (const LaneMark& mark : layout.lane_marks) here.insert(name(mark.type));
    for (const RoadElement& element : layout.elements) here.insert(name(element.type));
    for (const StaticInstance& instance : layout.instances) here.insert(std::string("instance ") + name(instance.type));
    const Drive drive = simulate(layout, {.frames = 30}, Random(i));
    for (size_t a = 0; a < drive.actors.size(); ++a)
      if (drive.frames[10].actors[a].present) here.insert(name(drive.actors[a].type));
    for (const std::string& each : here) ++found[each];
  }
  const LabelSchema schema;
  for (const auto* names : {&schema.lane_classes, &schema.road_classes, &schema.dynamic_classes})
    for (const std::string& each : *names) EXPECT_GE(found[each], 3) << each;
  for (const std::string& each : schema.instance_classes) EXPECT_GE(found["instance " + each], 3) << each;
  for (const char* each : {"freespace", "stopline", "crosswalk"}) EXPECT_GE(found[each], 3) << each;
}

TEST(LaneMarks, StripesOfADoubleLine) {
  LaneMark mark;
  mark.type = LaneType::RightSolidLeftDashed;
  mark.line = {{0, 0}, {20, 0}};
  mark.stripe = 0.1;
  mark.spacing = 0.2;
  mark.dash = 3;
  mark.gap = 5;
  mark.phase = 1;
  const std::vector<Stripe> stripes = painted_stripes(mark);
  ASSERT_EQ(stripes.size(), 4u);  // three dashes on the left: 0..2, 7..10, 15..18, and the solid one
  const double from[] = {0, 7, 15}, to[] = {2, 10, 18};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(stripes[i].line.front().x, from[i], 1e-9);
    EXPECT_NEAR(stripes[i].line.back().x, to[i], 1e-9);
    EXPECT_NEAR(stripes[i].line.front().y, 0.15, 1e-9);
  }
  EXPECT_NEAR(stripes[3].line.front().y, -0.15, 1e-9);
  EXPECT_NEAR(length(stripes[3].line), 20, 1e-9);
  const std::vector<Stripe> label = labelled_pieces(mark, false);
  ASSERT_EQ(label.size(), 1u);
  EXPECT_NEAR(label[0].width, 0.4, 1e-12);
  mark.type = LaneType::DashedLine;
  EXPECT_EQ(labelled_pieces(mark, false).size(), 3u);
  EXPECT_EQ(labelled_pieces(mark, true).size(), 1u);
}

TEST(SceneLabels, BoxesAndInstancesLieInTheGrid) {
  SceneDrive drive(small_scene(2), 31, 0);
  while (const auto sample = drive.next()) {
    ASSERT_FALSE(sample->labels.boxes.empty());
    for (const Box3d& b : sample->labels.boxes) {
      EXPECT_TRUE(b.x >= -20.8 && b.x <= 62.4 && std::abs(b.y) <= 22.4);
      EXPECT_NEAR(b.z, b.h / 2, 1e-9);
      EXPECT_GE(b.num_lidar_points, 0);
      EXPECT_LE(std::abs(b.yaw), std::numbers::pi);
    }
    for (const Instance& i : sample->labels.instances) {
      EXPECT_TRUE(i.w > 0 && i.h > 0);
      if (sample->labels.instances[0].class_id == 0) {
        EXPECT_LE(std::abs(sample->labels.instances[0].angle), std::numbers::pi / 2);
      }
    }
    for (const auto* shapes : {&sample->labels.lane_shapes, &sample->labels.road_shapes})
      for (const LabelShape& shape : *shapes)
        for (Vec2 p : shape.points) {
          EXPECT_TRUE(p.x >= -20.8 - 1e-9 && p.x <= 62.4 + 1e-9 && std::abs(p.y) <= 22.4 + 1e-9);
        }
  }
}

TEST(SceneLabels, VelocitiesAgreeWithWhereThingsAreNext) {
  SceneOptions options = small_scene(20);
  options.drive.timestamp_jitter = options.drive.drop_rate = 0;
  const Drive drive = SceneDrive(options, 40, 0).drive();
  int moving = 0;
  for (size_t f = 4; f + 1 < drive.frames.size(); ++f)
    for (size_t a = 0; a < drive.actors.size(); ++a) {
      const ActorState &now = drive.frames[f].actors[a], &later = drive.frames[f + 1].actors[a];
      if (!now.present || !later.present || norm(now.velocity) < 0.5) continue;
      ++moving;
      EXPECT_NEAR(norm(later.position - now.position), 0.1 * norm(now.velocity), 0.1);
    }
  EXPECT_GT(moving, 20);
}

}  // namespace
}  // namespace bevgrad
