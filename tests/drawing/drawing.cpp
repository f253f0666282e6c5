#include <cairo.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "drawing/bev_view.h"
#include "drawing/example.h"
#include "drawing/palette.h"
#include "drawing/png.h"

namespace bevgrad {
namespace {

std::array<int, 3> pixel(const Canvas& canvas, double x, double y) {
  const Pixels pixels = canvas.pixels();
  const uint8_t* p = &pixels.rgb[(static_cast<size_t>(y) * pixels.width + static_cast<size_t>(x)) * 3];
  return {p[0], p[1], p[2]};
}

std::array<int, 3> bytes(Color c) {
  return {static_cast<int>(std::lround(c.r * 255)), static_cast<int>(std::lround(c.g * 255)),
          static_cast<int>(std::lround(c.b * 255))};
}

/// CIE L*a*b* (D65), in which distances are about as large as they look.
std::array<double, 3> lab(Color c) {
  const auto linear = [](double v) { return v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4); };
  const auto root = [](double v) { return v > 0.008856 ? std::cbrt(v) : 7.787 * v + 16.0 / 116; };
  const double r = linear(c.r), g = linear(c.g), b = linear(c.b);
  const double x = root((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047),
               y = root(0.2126 * r + 0.7152 * g + 0.0722 * b),
               z = root((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883);
  return {116 * y - 16, 500 * (x - y), 200 * (y - z)};
}

TEST(Palette, AColourHasOneMeaning) {
  std::vector<Color> colors = {kGround, kEgo, kTruthBox, kRight, kMissed, kFalseAlarm, kFreespace, kWrongClass};
  for (size_t i = 0; i < kLaneColors; ++i) colors.push_back(lane_color(i));
  for (size_t i = 0; i < kRoadColors; ++i) colors.push_back(road_color(i));
  for (size_t i = 0; i < kInstanceColors; ++i) colors.push_back(instance_color(i));
  for (size_t i = 0; i < kBoxColors; ++i) colors.push_back(box_color(i));
  for (size_t i = 0; i < kVoxelColors; ++i) colors.push_back(voxel_color(i));
  const LabelSchema labels;
  EXPECT_LE(labels.lane_classes.size(), kLaneColors);
  EXPECT_LE(labels.road_classes.size(), kRoadColors);
  EXPECT_LE(labels.instance_classes.size(), kInstanceColors);
  EXPECT_LE(labels.dynamic_classes.size(), kBoxColors);
  for (size_t i = 0; i < colors.size(); ++i)
    for (size_t j = 0; j < i; ++j) {
      const auto a = lab(colors[i]), b = lab(colors[j]);
      EXPECT_GT(std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]), 25) << j << " and " << i;
    }
}

TEST(BevView, ForwardIsUpAndLeftIsLeft) {
  const LabelGrid grid;
  Canvas canvas(300, 500, kPaper);
  BevView view(canvas, BevView::area_at(40, 40, grid, 5), grid);
  EXPECT_EQ(view.at({62.4, 22.4}), (Vec2{40, 40}));  // far left: the top left corner
  EXPECT_NEAR(view.at({-20.8, -22.4}).x, 40 + 224, 1e-9);
  EXPECT_NEAR(view.at({-20.8, -22.4}).y, 40 + 416, 1e-9);
  // One cell at x = 30.1 m, y = 10.1 m: row (10.1 + 22.4) / 0.2, column (30.1 + 20.8) / 0.2.
  view.cells(224, 416, [](int64_t r, int64_t c) { return r == 162 && c == 254 ? kFalseAlarm : Color{0, 0, 0, 0}; });
  const Vec2 at = view.at({30.1, 10.1});
  EXPECT_EQ(pixel(canvas, at.x, at.y), bytes(kFalseAlarm));
  EXPECT_EQ(pixel(canvas, at.x + 2, at.y), bytes(kGround));
  view.point({-10.1, -5.1}, kMissed, 1);
  EXPECT_EQ(pixel(canvas, view.at({-10.1, -5.1}).x, view.at({-10.1, -5.1}).y), bytes(kMissed));
}

TEST(SamplePicture, ShowsLabelPredictionAndDifferenceInPlace) {
  SamplePicture picture = example_picture();
  const LabelGrid& grid = picture.labels.grid;
  Canvas canvas(300, 500, kPaper);
  const Rect area = BevView::area_at(40, 40, grid, 5);
  const auto color_at = [&](Vec2 ground) {
    const Vec2 p = BevView(canvas, area, grid).at(ground);
    return p;
  };
  BevView view(canvas, area, grid);
  const Vec2 wall = color_at({28.1, 12.1}), false_line = color_at({50.1, -1.8 + 0.003 * 50.1 * 50.1 + 0.8});
  draw_label(view, picture);
  EXPECT_EQ(pixel(canvas, wall.x, wall.y), bytes(road_color(0)));
  BevView second(canvas, area, grid);
  draw_prediction(second, picture, {});
  EXPECT_EQ(pixel(canvas, wall.x, wall.y), bytes(kGround));  // the wall was predicted up to 25 m only
  BevView third(canvas, area, grid);
  draw_difference(third, picture, {});
  EXPECT_EQ(pixel(canvas, wall.x, wall.y), bytes(kMissed));
  EXPECT_EQ(pixel(canvas, false_line.x, false_line.y), bytes(kFalseAlarm));
}

TEST(SamplePicture, DrawsWhateverThereIs) {
  const SamplePicture full = example_picture();
  const Canvas all = draw_sample(full, {});
  EXPECT_GT(all.width(), 1000);
  SamplePicture bare;
  bare.title = "nothing known";
  EXPECT_GT(draw_sample(bare, {}).height(), 300);
  SamplePicture partial = example_picture();
  partial.frame.lane_label = {};
  partial.frame.road = {};
  partial.features.clear();
  partial.cameras.resize(1);
  partial.points = {};
  draw_sample(partial, {.show_points_in_cameras = true});
  for (float& p : partial.frame.lane.values) p = NAN;
  draw_sample(partial, {});
}

TEST(SamplePicture, LeavesPanelsOutThatHaveNothingToShow) {
  SamplePicture picture = example_picture();
  picture.cameras.clear();
  picture.features.clear();
  picture.fusion_weights = {};
  const auto width = [&] { return draw_sample(picture, {}).width(); };
  const int four = width();
  picture.frame.lane = {};
  picture.frame.road = {};  // boxes and instances alone: no difference
  const int three = width();
  EXPECT_LT(three, four);
  picture.has_prediction = false;
  const int two = width();
  EXPECT_EQ(three - two, four - three) << "a panel less";
  picture.points = {};
  EXPECT_EQ(two - width(), four - three) << "no LiDAR";
}

TEST(SamplePicture, FreespaceLiesBeneathWhatIsOnIt) {
  SamplePicture picture;
  const LabelGrid& grid = picture.labels.grid;
  picture.labels.road_classes = {"Wall", "freespace", "stopline", "crosswalk"};
  EvaluationFrame& frame = picture.frame;
  frame.lane_label = LabelRaster(9, grid.rows(), grid.columns());
  frame.lane = ProbabilityRaster(9, grid.rows(), grid.columns());
  frame.road_label = LabelRaster(4, grid.rows(), grid.columns());
  frame.road = ProbabilityRaster(4, grid.rows(), grid.columns());
  for (int64_t r = 90; r < 130; ++r)
    for (int64_t c = 140; c < 340; ++c) {
      frame.road_label.at(1, r, c) = 1;
      frame.road.at(1, r, c) = 0.55f;
      if (c >= 300) frame.road_label.at(3, r, c) = 1, frame.road.at(3, r, c) = c < 315 ? 0.95f : 0.85f;
      if (c >= 150 && c < 170) frame.lane_label.at(0, r, c) = 1;
      if (c >= 200 && c < 220) frame.road.at(2, r, c) = 0.65f;
    }
  const auto color_in = [&](auto draw, int64_t column) {
    Canvas canvas(300, 500, kPaper);
    BevView view(canvas, BevView::area_at(40, 40, grid, 5), grid);
    draw(view);
    const Vec2 p = view.at({grid.x_min + (static_cast<double>(column) + 0.5) * grid.cell, -0.1});
    return pixel(canvas, p.x, p.y);
  };
  const auto label = [&](BevView& view) { draw_label(view, picture); };
  const auto prediction = [&](BevView& view) { draw_prediction(view, picture, {}); };
  const auto difference = [&](BevView& view) { draw_difference(view, picture, {}); };
  EXPECT_EQ(color_in(label, 280), bytes(road_color(1)));
  EXPECT_EQ(color_in(label, 305), bytes(road_color(3)));
  EXPECT_EQ(color_in(label, 160), bytes(lane_color(0)));
  EXPECT_EQ(color_in(prediction, 280), bytes(road_color(1))) << "0.55 is over its threshold";
  EXPECT_EQ(color_in(prediction, 305), bytes(road_color(3)));
  EXPECT_EQ(color_in(prediction, 322), bytes(road_color(1))) << "a crosswalk is drawn from 0.9 on";
  EXPECT_EQ(color_in(prediction, 210), bytes(road_color(2))) << "a stop line from 0.6 on";
  EXPECT_EQ(color_in(difference, 280), bytes(kRight));
  EXPECT_EQ(color_in(difference, 305), bytes(kRight));
  EXPECT_EQ(color_in(difference, 322), bytes(kMissed));
  EXPECT_EQ(color_in(difference, 160), bytes(kMissed)) << "the mark is missed though the road is found";
  EXPECT_EQ(color_in(difference, 210), bytes(kFalseAlarm));
}

TEST(SamplePicture, PointsInCamerasAreASwitch) {
  SamplePicture picture = example_picture();
  picture.frame = {};
  const auto pixels = [&](bool shown) { return draw_sample(picture, {.show_points_in_cameras = shown}).pixels().rgb; };
  EXPECT_NE(pixels(true), pixels(false));
  picture.points = {};
  EXPECT_EQ(pixels(true), pixels(false));
}

TEST(SamplePicture, SaysWhereItsHistoryFramesAre) {
  SamplePicture picture = example_picture();
  const Canvas canvas = draw_sample(picture, {});
  const std::string file = canvas.png();
  const auto said = nlohmann::json::parse(read_png_comment(file));
  EXPECT_EQ(said["width"], canvas.width());
  EXPECT_EQ(said["height"], canvas.height());
  ASSERT_EQ(said["history"].size(), picture.features.size());
  double right = 0;
  for (size_t i = 0; i < picture.features.size(); ++i) {
    const auto& place = said["history"][i];
    EXPECT_EQ(place["title"], picture.features[i].title);
    EXPECT_GE(place["x"].get<double>(), right);
    right = place["x"].get<double>() + place["w"].get<double>();
    EXPECT_LE(place["y"].get<double>() + place["h"].get<double>(), canvas.height());
  }
  EXPECT_LE(right, canvas.width());
  // Cut files and others have no comment.
  for (size_t length = 0; length < 150; ++length) EXPECT_EQ(read_png_comment(file.substr(0, length)), "") << length;
  picture.features.clear();
  EXPECT_EQ(read_png_comment(draw_sample(picture, {}).png()), "");
}

TEST(SamplePicture, DropsFeaturesAndWeightsOnRequest) {
  const SamplePicture picture = example_picture();
  const int whole = draw_sample(picture, {}).height();
  EXPECT_LT(draw_sample(picture, {.show_history = false, .fusion_weights = false}).height(), whole);
}

TEST(CameraView, DrawsAPointWhereTheCameraSeesIt) {
  for (const auto kind : {CameraKind::Pinhole, CameraKind::Fisheye}) {
    CameraPicture picture{"front", example_camera(kind, 0), {}};
    picture.image = {320, 192, std::vector<uint8_t>(320 * 192 * 3, 0)};
    Canvas canvas(320, 192, kPaper);
    CameraView view(canvas, {0, 0, 320, 192}, picture);
    const auto seen = project(picture.camera, {10, 2, 0});
    ASSERT_TRUE(seen);
    view.ground_line(std::vector<Vec2>{{10, 5}, {10, -5}}, rgb(0xFFFFFF), 3);
    EXPECT_EQ(pixel(canvas, seen->u + 0.5, seen->v + 0.5), bytes(rgb(0xFFFFFF)));
    EXPECT_EQ(pixel(canvas, 160, 20), (std::array<int, 3>{0, 0, 0}));
  }
}

TEST(CameraView, OutlinesWhatIsMasked) {
  CameraPicture picture{"front", example_camera(CameraKind::Pinhole, 0), {}};
  picture.image = {320, 192, std::vector<uint8_t>(320 * 192 * 3, 0)};
  picture.camera = resized(picture.camera, 320, 192);
  picture.camera.ego_mask = {{{99.5, 149.5}, {219.5, 149.5}, {219.5, 179.5}, {99.5, 179.5}}};
  Canvas canvas(320, 192, kPaper);
  const CameraView view(canvas, {0, 0, 320, 192}, picture);
  EXPECT_NE(pixel(canvas, 160, 150), (std::array<int, 3>{0, 0, 0}));
  EXPECT_NE(pixel(canvas, 100, 165), (std::array<int, 3>{0, 0, 0}));
  EXPECT_EQ(pixel(canvas, 160, 165), (std::array<int, 3>{0, 0, 0}));
}

TEST(FeaturePanel, IsTheNormOverTheChannelsWhereValid) {
  Tensor feature = zeros({1, 2, 1, 2}), valid = ones({1, 1, 1, 2}, {.dtype = DType::UInt8});
  feature.data<float>()[0] = 3;
  feature.data<float>()[2] = 4;
  valid.data<uint8_t>()[1] = 0;
  const auto panel = feature_panel("x", feature, 0, valid);
  EXPECT_FLOAT_EQ(panel.norm.values[0], 5);
  EXPECT_TRUE(std::isnan(panel.norm.values[1]));
}

TEST(DrawingOptions, KnowTheThresholdsByName) {
  const DrawingOptions options;
  EXPECT_EQ(options.threshold_of("Wall"), 0.75f);
  EXPECT_EQ(options.threshold_of("StopLine"), 0.6f);
  EXPECT_EQ(options.threshold_of("stop_line"), 0.6f);
  EXPECT_EQ(options.threshold_of("freespace"), 0.5f);
  EXPECT_EQ(options.threshold_of("CrossWalk"), 0.9f);
}

TEST(Png, CairoReadsItBack) {
  // Odd sizes, noise, flat parts and steep edges: whatever the filter may meet.
  for (const auto& [width, height] : {std::pair{1, 1}, {1, 7}, {7, 1}, {33, 17}}) {
    Pixels pixels{width, height, std::vector<uint8_t>(static_cast<size_t>(width * height * 3))};
    uint32_t state = 1;
    for (size_t i = 0; i < pixels.rgb.size(); ++i) {
      state = state * 1664525 + 1013904223;
      pixels.rgb[i] = i % 5 < 2 ? static_cast<uint8_t>(state >> 24) : i % 3 == 0 ? 255 : 0;
    }
    struct Reader {
      std::string bytes;
      size_t at = 0;
    } reader{encode_png(pixels)};
    const auto read = [](void* closure, unsigned char* data, unsigned int length) {
      auto& source = *static_cast<Reader*>(closure);
      if (source.at + length > source.bytes.size()) return CAIRO_STATUS_READ_ERROR;
      source.bytes.copy(reinterpret_cast<char*>(data), length, source.at);
      source.at += length;
      return CAIRO_STATUS_SUCCESS;
    };
    cairo_surface_t* surface = cairo_image_surface_create_from_png_stream(read, &reader);
    ASSERT_EQ(cairo_surface_status(surface), CAIRO_STATUS_SUCCESS);
    ASSERT_EQ(cairo_image_surface_get_width(surface), width);
    ASSERT_EQ(cairo_image_surface_get_height(surface), height);
    const unsigned char* data = cairo_image_surface_get_data(surface);
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x)
        for (int c = 0; c < 3; ++c)
          ASSERT_EQ(data[y * cairo_image_surface_get_stride(surface) + x * 4 + 2 - c],
                    pixels.rgb[static_cast<size_t>((y * width + x) * 3 + c)]);
    cairo_surface_destroy(surface);
  }
  EXPECT_THROW(encode_png({2, 2, {}}), Error);
}

TEST(Canvas, SaysWhatCannotBeWritten) {
  EXPECT_THROW(Canvas(0, 10, kPaper), Error);
  EXPECT_THROW(Canvas(10, 10, kPaper).write_png("/proc/none/x.png"), Error);
  EXPECT_EQ(Canvas(4, 4, kPaper).png().substr(1, 3), "PNG");
}

TEST(Palette, KeepsClassesApart) {
  // No two lane classes closer than a visible step, also in lightness-insensitive deuteranopia-like projection (red and
  // green joined).
  for (size_t a = 0; a < 9; ++a)
    for (size_t b = a + 1; b < 9; ++b) {
      const Color p = lane_color(a), q = lane_color(b);
      const double red_green = std::abs(0.6 * p.r + 0.4 * p.g - 0.6 * q.r - 0.4 * q.g), blue = std::abs(p.b - q.b);
      EXPECT_GT(std::hypot(red_green, blue), 0.12) << a << " and " << b;
    }
}

}  // namespace
}  // namespace bevgrad
