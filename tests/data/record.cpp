#include "data/record.h"

#include "data/record.pb.h"
#include "made_data.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
using testing::error_of;
using ::testing::HasSubstr;
using testing::small_options;
using testing::small_sample;

const RecordOrigin kOrigin{"/data/lmdb", "00/001"};

std::string small_bytes(const EncodeOptions& encoding = {}) {
  return encode_record(small_sample("00/001", 3, 4.5), small_options(), encoding);
}

Sample decode(const std::string& bytes, const DatasetOptions& options = small_options()) {
  return decode_record({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, options, kOrigin);
}

void expect_same(const Tensor& a, const Tensor& b) {
  ASSERT_EQ(a.sizes(), b.sizes());
  EXPECT_EQ(a.to_vector(), b.to_vector());
}

TEST(Record, KeepsEverything) {
  Sample sample = small_sample("00/001", 3, 4.5);
  Sample back = decode(small_bytes());
  EXPECT_EQ(back.key, "00/001");
  EXPECT_EQ(back.sequence, 3);
  EXPECT_EQ(back.timestamp, 4.5);
  EXPECT_EQ(back.ego_pose, sample.ego_pose);
  EXPECT_EQ(back.true_pose, sample.true_pose);
  expect_same(back.labels.lane, sample.labels.lane);
  expect_same(back.labels.road, sample.labels.road);
  expect_same(back.labels.visibility, sample.labels.visibility);
  ASSERT_EQ(back.labels.lane_shapes.size(), 1u);
  EXPECT_EQ(back.labels.lane_shapes[0].class_id, 2);
  EXPECT_FALSE(back.labels.lane_shapes[0].closed);
  EXPECT_EQ(back.labels.lane_shapes[0].points, sample.labels.lane_shapes[0].points);
  ASSERT_EQ(back.labels.road_shapes.size(), 1u);
  EXPECT_TRUE(back.labels.road_shapes[0].closed);
  ASSERT_EQ(back.labels.instances.size(), 1u);
  EXPECT_EQ(back.labels.instances[0].h, 0.25);
  ASSERT_EQ(back.labels.boxes.size(), 2u);
  EXPECT_EQ(back.labels.boxes[0].class_id, 7);
  EXPECT_EQ(back.labels.boxes[0].vy, -2);
  EXPECT_EQ(back.labels.boxes[0].num_lidar_points, 12);
  EXPECT_FALSE(back.labels.boxes[1].has_velocity);
  EXPECT_EQ(back.labels.boxes[1].num_lidar_points, -1);
  EXPECT_EQ(back.labels.boxes[0].track, 4);
  EXPECT_EQ(back.labels.boxes[1].track, -1);
  EXPECT_EQ(back.place, "town");
  ASSERT_TRUE(back.lidar.has_value());
  EXPECT_EQ(*back.lidar, (Vec3{1, 0.5, 2}));
}

TEST(Record, APictureThatIsMissingIsSeenByNothing) {
  records::Sample stored;
  ASSERT_TRUE(stored.ParseFromString(small_bytes()));
  stored.mutable_cameras()->DeleteSubrange(1, 1);
  const Sample sample = decode(stored.SerializeAsString());
  ASSERT_EQ(sample.cameras.size(), 3u);
  EXPECT_EQ(sample.cameras[1].name, "left");
  EXPECT_EQ(sample.cameras[1].image.sizes(), (Shape{3, 16, 16}));
  const CameraProjector projector(sample.cameras[1].camera);
  for (double x = -50; x <= 50; x += 5)
    for (double y = -50; y <= 50; y += 5) EXPECT_FALSE(projector.project({x, y, 0}).has_value());
  const auto pixels = sample.cameras[1].image.to_vector();
  EXPECT_EQ(*std::max_element(pixels.begin(), pixels.end()), 0);
  EXPECT_EQ(sample.cameras[2].name, "right");
  EXPECT_EQ(sample.cameras[2].camera.fov, decode(small_bytes()).cameras[2].camera.fov);
}

TEST(Record, TheOwnVehicleIsBlackAndSeenByNothing) {
  Sample sample = small_sample("00/001", 3, 4.5);
  sample.cameras[0].camera.ego_mask = {{{-0.5, 31.5}, {63.5, 31.5}, {63.5, 47.5}, {-0.5, 47.5}}};  // the lower third
  DatasetOptions options = small_options();
  const std::string bytes = encode_record(sample, options, {.jpeg_quality = 0});
  options.groups[0].ego_masks = {{{{-0.5, -0.5}, {9.5, -0.5}, {9.5, 23.5}, {-0.5, 23.5}}}};  // the config's, of 32x24
  const Sample plain = decode(encode_record(small_sample("00/001", 3, 4.5), options, {.jpeg_quality = 0}));
  const Sample back = decode(bytes, options);
  const CameraProjector projector(back.cameras[0].camera), unmasked(plain.cameras[0].camera);
  EXPECT_EQ(back.cameras[0].camera.ego_mask.size(), 2u);
  for (int64_t v = 0; v < 24; ++v)
    for (int64_t u = 0; u < 32; ++u) {
      const bool covered = v >= 16 || u < 10;
      for (int64_t c = 0; c < 3; ++c) {
        const auto value = [&](const Sample& of) {
          const Tensor& image = of.cameras[0].image;
          return image.data<const uint8_t>()[c * image.stride(0) + v * image.stride(1) + u * image.stride(2)];
        };
        ASSERT_EQ(value(back), covered ? 0 : value(plain)) << v << " " << u;
      }
      const auto ray = unmasked.unproject_sensor({static_cast<double>(u), static_cast<double>(v)});
      if (!ray || !unmasked.project_sensor(*ray)) continue;
      EXPECT_EQ(projector.project_sensor(*ray).has_value(), !covered);
    }
  EXPECT_TRUE(back.cameras[1].camera.ego_mask.empty());
}

TEST(Record, AMaskThatCannotBeIsNamed) {
  records::Sample stored;
  ASSERT_TRUE(stored.ParseFromString(small_bytes()));
  auto* uv = stored.mutable_cameras(1)->add_ego_mask()->mutable_uv();
  const auto error = [&](std::vector<float> corners) {
    uv->Assign(corners.begin(), corners.end());
    return error_of([&] { decode(stored.SerializeAsString()); });
  };
  EXPECT_THAT(error({0, 0, 1, 1}), HasSubstr("camera 'left': ego_mask[0].uv has 4 numbers"));
  EXPECT_THAT(error({0, 0, 1, 1, 2}), HasSubstr("has 5 numbers"));
  EXPECT_THAT(error({0, 0, 1, NAN, 2, 2}), HasSubstr("camera 'left': ego_mask[0].uv is nan"));
  EXPECT_THAT(error(std::vector<float>(10000, 1)), HasSubstr("over 4096 corners"));
}

TEST(Record, PointsAreExactAsFloatsAndWithinHalfAUnitQuantised) {
  Tensor points = small_sample("k", 0, 0).points;
  expect_same(decode(small_bytes({.quantise_points = false})).points, points);
  Tensor quantised = decode(small_bytes()).points;
  for (int64_t i = 0; i < points.numel(); ++i)
    EXPECT_NEAR(quantised.data<float>()[i], points.data<float>()[i], i % 4 == 3 ? 0.002 : 0.0026);
}

TEST(Record, PointsBeyondTheQuantisedRangeStayFloats) {
  Sample sample = small_sample("00/001", 0, 0);
  sample.points.data<float>()[0] = 400;
  expect_same(decode(encode_record(sample, small_options())).points, sample.points);
}

TEST(Record, PicturesComeAtTheGroupsSizeWithTheirCalibration) {
  Sample back = decode(small_bytes({.jpeg_quality = 0}));
  ASSERT_EQ(back.cameras.size(), 3u);
  EXPECT_EQ(back.cameras[0].image.sizes(), (Shape{3, 24, 32}));
  EXPECT_EQ(back.cameras[0].camera, resized(testing::small_camera(CameraKind::Pinhole, 64, 48), 32, 24));
  expect_same(back.cameras[1].image, small_sample("k", 0, 4.5).cameras[1].image);
}

TEST(Record, AJpegIsCloseToThePicture) {
  Sample lossy = decode(small_bytes()), exact = decode(small_bytes({.jpeg_quality = 0}));
  auto a = lossy.cameras[0].image.to_vector(), b = exact.cameras[0].image.to_vector();
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 8);
}

TEST(Record, ClassesAreMatchedByName) {
  DatasetOptions options = small_options();
  options.labels.road_classes = {"GroundSigns", "crosswalk"};
  options.labels.dynamic_classes = {"pillar"};
  Sample back = decode(small_bytes(), options);
  ASSERT_EQ(back.labels.road.size(0), 2);
  EXPECT_EQ(back.labels.road_shapes[0].class_id, 0);
  // Record layer 3 is GroundSigns and is empty; "crosswalk" is not labelled.
  EXPECT_EQ(back.labels.road.to_vector()[0], 0);
  EXPECT_EQ(back.labels.road.to_vector()[200], kIgnoreLabel);
  ASSERT_EQ(back.labels.boxes.size(), 1u);
  EXPECT_EQ(back.labels.boxes[0].class_id, 0);
}

TEST(Record, ShapesAreDrawnWhereThereIsNoRaster) {
  Sample sample = small_sample("00/001", 0, 0);
  sample.labels.lane = Tensor();
  Sample back = decode(encode_record(sample, small_options()));
  double sum = 0;
  for (double cell : back.labels.lane.to_vector()) sum += cell;
  EXPECT_GT(sum, 10);
}

TEST(Record, CellsNeverSeenAreIgnoredWhereAsked) {
  DatasetOptions options = small_options();
  options.ignore_never_seen = true;
  auto lane = decode(small_bytes(), options).labels.lane.to_vector();
  EXPECT_EQ(lane[5], 1);
  EXPECT_EQ(lane[99], 0);
  EXPECT_EQ(lane[100], kIgnoreLabel);
  EXPECT_EQ(lane.back(), kIgnoreLabel);
}

TEST(Record, HeaderIsReadWithoutTheRest) {
  std::string bytes = small_bytes();
  RecordHeader header = read_record_header({reinterpret_cast<const uint8_t*>(bytes.data()), 400}, kOrigin);
  EXPECT_EQ(header.sequence, 3);
  EXPECT_EQ(header.timestamp, 4.5);
}

struct Damage {
  const char* name;
  std::function<void(records::Sample&)> apply;
  const char* field;
  const char* expected;
};

void PrintTo(const Damage& damage, std::ostream* out) {
  *out << damage.name;
}

class DamagedRecord : public ::testing::TestWithParam<Damage> {};

TEST_P(DamagedRecord, IsRefusedInOneLine) {
  records::Sample stored;
  ASSERT_TRUE(stored.ParseFromString(small_bytes()));
  GetParam().apply(stored);
  std::string error = error_of([&] { decode(stored.SerializeAsString()); });
  EXPECT_THAT(error, AllOf(HasSubstr("/data/lmdb: record '00/001'"), HasSubstr(GetParam().field),
                           HasSubstr(GetParam().expected)));
}

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr float kNanf = std::numeric_limits<float>::quiet_NaN();

INSTANTIATE_TEST_SUITE_P(
    Every, DamagedRecord,
    ::testing::Values(
        Damage{"sequence", [](auto& s) { s.set_sequence(-1); }, "sequence is -1", "expected 0 to"},
        Damage{"time", [](auto& s) { s.set_timestamp(kNan); }, "timestamp is nan", "expected a number of seconds"},
        Damage{"key", [](auto& s) { s.set_key("other"); }, "key is 'other'", "expected the key"},
        Damage{"short_pose", [](auto& s) { s.mutable_ego_pose()->RemoveLast(); }, "ego_pose has 15", "expected 16"},
        Damage{"nan_pose", [](auto& s) { s.set_ego_pose(3, kNan); }, "ego_pose[3] is nan", "expected a finite"},
        Damage{"bent_pose", [](auto& s) { s.set_true_pose(0, 2); }, "true_pose", "rotation"},
        Damage{"no_camera", [](auto& s) { for (auto& c : *s.mutable_cameras()) c.set_name("x" + c.name()); },
               "none of the cameras that the config expects", "xfront, xleft, xright"},
        Damage{"two_cameras", [](auto& s) { s.mutable_cameras(1)->set_name("right"); }, "two cameras 'right'", "cameras"},
        Damage{"model", [](auto& s) { s.mutable_cameras(0)->set_model(records::Camera::MODEL_UNSPECIFIED); },
               "camera 'front': model", "expected PINHOLE (1), FISHEYE (2) or RATIONAL (3)"},
        Damage{"size", [](auto& s) { s.mutable_cameras(0)->set_width(4000000000u); }, "width x height", "16384"},
        Damage{"focal", [](auto& s) { s.mutable_cameras(0)->set_fx(-1); }, "camera 'front': calibration", "fx"},
        Damage{"nan_cx", [](auto& s) { s.mutable_cameras(0)->set_cx(kNan); }, "camera 'front': calibration", "cx"},
        Damage{"distortion", [](auto& s) { s.mutable_cameras(1)->add_distortion(0); }, "distortion has 5", "most 4"},
        Damage{"extrinsics", [](auto& s) { s.mutable_cameras(0)->set_sensor2ego(0, kNan); }, "sensor2ego[0] is nan",
               "finite"},
        Damage{"no_image", [](auto& s) { s.mutable_cameras(0)->clear_image(); }, "image is missing", "jpeg or rgb"},
        Damage{"flipped_bit", [](auto& s) { (*s.mutable_cameras(0)->mutable_jpeg())[300] ^= 1; }, "jpeg is damaged",
               "checksum"},
        Damage{"cut_jpeg",
               [](auto& s) {
                 s.mutable_cameras(0)->mutable_jpeg()->resize(s.cameras(0).jpeg().size() * 2 / 3);
                 s.mutable_cameras(0)->clear_crc32();
               },
               "camera 'front': jpeg: damaged JPEG", "remature"},
        Damage{"no_jpeg",
               [](auto& s) {
                 s.mutable_cameras(0)->set_jpeg("not a picture");
                 s.mutable_cameras(0)->clear_crc32();
               },
               "not a JPEG", ""},
        Damage{"empty_jpeg",
               [](auto& s) {
                 s.mutable_cameras(0)->set_jpeg("");
                 s.mutable_cameras(0)->clear_crc32();
               },
               "jpeg", "empty"},
        Damage{"other_size", [](auto& s) { s.mutable_cameras(0)->set_width(66); }, "64x48", "66x48"},
        Damage{"rgb_bytes", [](auto& s) { s.mutable_cameras(0)->clear_crc32(), s.mutable_cameras(0)->set_rgb("abc"); },
               "rgb has 3 bytes", "expected 9216"},
        Damage{"no_points", [](auto& s) { s.clear_points(); }, "points are missing", "LiDAR"},
        Damage{"point_count", [](auto& s) { s.mutable_points()->set_count(2); }, "points has 21 bytes", "expected 14"},
        Damage{"many_points", [](auto& s) { s.mutable_points()->set_count(4000000000u); }, "points.count", "at most"},
        Damage{"point_unit", [](auto& s) { s.mutable_points()->set_position_unit(kNan); }, "position_unit is nan",
               "expected"},
        Damage{"nan_point",
               [](auto& s) {
                 std::string values(48, '\0');
                 std::memcpy(values.data() + 20, &kNanf, 4);
                 s.mutable_points()->clear_crc32();
                 s.mutable_points()->set_float32(values);
               },
               "points[1][1] is nan", "finite"},
        Damage{"raster_size", [](auto& s) { s.mutable_labels()->mutable_lane()->set_rows(1u << 31); }, "lane is",
               "expects 10x20"},
        Damage{"raster_layers", [](auto& s) { s.mutable_labels()->mutable_lane()->set_layers(8); }, "lane has 8",
               "expected 9"},
        Damage{"raster_bits", [](auto& s) { s.mutable_labels()->mutable_lane()->set_bits(8); }, "lane.bits is 8",
               "1 or 2"},
        Damage{"raster_data", [](auto& s) { s.mutable_labels()->mutable_road()->mutable_data()->resize(5); },
               "road is damaged", "bytes"},
        Damage{"raster_code", [](auto& s) { s.mutable_labels()->mutable_lane()->set_bits(2); }, "lane is damaged",
               "bytes"},
        Damage{"shape_class", [](auto& s) { s.mutable_labels()->mutable_lane_shapes(0)->set_class_(9); },
               "lane_shapes[0].class is 9", "below 9: lane_classes has 9"},
        Damage{"shape_nan", [](auto& s) { s.mutable_labels()->mutable_lane_shapes(0)->set_xy(1, kNanf); },
               "lane_shapes[0].xy[1] is nan", "expected a number"},
        Damage{"shape_pairs", [](auto& s) { s.mutable_labels()->mutable_lane_shapes(0)->add_xy(1); }, "7 coordinates",
               "pairs"},
        Damage{"instance_class", [](auto& s) { s.mutable_labels()->mutable_instances(0)->set_class_(99); },
               "instances[0].class is 99", "below 4"},
        Damage{"instance_nan", [](auto& s) { s.mutable_labels()->mutable_instances(0)->set_angle(kNanf); },
               "instances[0].angle is nan", "radians"},
        Damage{"instance_size", [](auto& s) { s.mutable_labels()->mutable_instances(0)->set_w(0); }, "instances[0].w is 0",
               "expected"},
        Damage{"box_class", [](auto& s) { s.mutable_labels()->mutable_boxes(0)->set_class_(8); }, "boxes[0].class is 8",
               "below 8"},
        Damage{"box_nan", [](auto& s) { s.mutable_labels()->mutable_boxes(0)->set_vx(kNanf); }, "boxes[0].vx is nan",
               "expected"},
        Damage{"box_degrees", [](auto& s) { s.mutable_labels()->mutable_boxes(1)->set_yaw(90); }, "boxes[1].yaw is 90",
               "these may be degrees"},
        Damage{"milliseconds", [](auto& s) { s.set_timestamp(1.5e12); }, "timestamp is", "milliseconds"},
        Damage{"nanoseconds", [](auto& s) { s.set_timestamp(1.5e18); }, "timestamp is", "nanoseconds"},
        Damage{"bright_point",
               [](auto& s) {
                 const float values[4] = {1, 2, 3, 255};
                 s.mutable_points()->clear_crc32();
                 s.mutable_points()->set_count(1);
                 s.mutable_points()->set_float32(std::string(reinterpret_cast<const char*>(values), sizeof values));
               },
               "points[0][3] is 255", "an intensity from 0 to 1"},
        Damage{"box_size", [](auto& s) { s.mutable_labels()->mutable_boxes(0)->set_height(-1); }, "boxes[0].height is -1",
               "expected"},
        Damage{"names_twice", [](auto& s) { s.mutable_labels()->set_lane_classes(0, "DashedLine"); }, "lane_classes",
               "twice"}),
    [](const auto& info) { return info.param.name; });

TEST(DamagedRecordBytes, ALongPathHidesNoField) {
  const RecordOrigin origin{"/" + std::string(500, 'd') + "/lmdb", std::string(300, 'k')};
  EXPECT_THAT(std::string(origin.at("boxes[17].yaw")), AllOf(HasSubstr(origin.key), HasSubstr("boxes[17].yaw")));
}

TEST(DamagedRecordBytes, EveryTruncationIsRefusedOrWhole) {
  const std::string bytes = small_bytes();
  for (size_t length = 0; length < bytes.size(); length += 7) {
    try {
      decode(bytes.substr(0, length));
      ADD_FAILURE() << "accepted " << length << " of " << bytes.size() << " bytes";
    } catch (const Error&) {
    }
  }
}

TEST(DamagedRecordBytes, NoFlippedByteCrashes) {
  const std::string bytes = small_bytes();
  for (size_t at = 0; at < bytes.size(); at += 3) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
    try {
      decode(damaged);
    } catch (const Error&) {
    }
  }
}

TEST(EncodeRecord, RefusesWhatItCouldNotReadBack) {
  Sample sample = small_sample("00/001", 0, 0);
  sample.labels.lane.data<uint8_t>()[3] = 7;
  EXPECT_THAT(error_of([&] { encode_record(sample, small_options()); }), HasSubstr("labels.lane: cell 3 is 7"));
  sample = small_sample("00/001", 0, 0);
  sample.points.data<float>()[2] = kNanf;
  EXPECT_THAT(error_of([&] { encode_record(sample, small_options()); }), HasSubstr("points[0][2] is nan"));
}

}  // namespace
}  // namespace bevgrad
