// Augmentation: whatever is changed, pixels, places, labels and poses keep saying the same of the world.
#include "data/augmentation/augmentation.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "data/dataset.h"
#include "data/loader.h"
#include "internal/raster.h"
#include "made_data.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

using namespace testing;
using ::testing::HasSubstr;

constexpr double kDegree = std::numbers::pi / 180;

/// The ground within 12 m, as a colour: red is x, green is y; blue says that it is such ground.
constexpr double kReach = 12;
uint8_t level(double metres) {
  return static_cast<uint8_t>(std::lround((metres + kReach) / (2 * kReach) * 255));
}
double metres(double level) {
  return level / 255 * 2 * kReach - kReach;
}

CameraImage camera_on_ground(const std::string& name, CameraKind kind, Vec3 at, double yaw, double pitch, double roll) {
  Camera camera = camera_with_fov(kind, 240, 180, (kind == CameraKind::Fisheye ? 170 : 90) * kDegree);
  camera.fy *= 1.1;
  camera.cx += 5;
  camera.distortion = kind == CameraKind::Fisheye ? std::array{-0.02, 0.002, 0.0, 0.0, 0.0}
                                                  : std::array{-0.06, 0.01, 0.01, -0.02, 0.002};
  if (kind == CameraKind::Rational) camera.denominator = {0.03, -0.01, 0.005};
  camera.sensor2ego = camera_mount(at, yaw * kDegree, pitch * kDegree, roll * kDegree);
  CameraImage image{name, camera, empty_image(camera.height, camera.width)};
  const CameraProjector projector(camera);
  uint8_t* pixel = image.image.data<uint8_t>();
  for (int v = 0; v < camera.height; ++v)
    for (int u = 0; u < camera.width; ++u, pixel += 3) {
      pixel[0] = pixel[1] = pixel[2] = 0;
      const auto ray = projector.unproject({static_cast<double>(u), static_cast<double>(v)});
      if (!ray || ray->direction.z > -0.05) continue;
      const Vec3 ground = ray->origin + ray->direction * (-ray->origin.z / ray->direction.z);
      if (std::abs(ground.x) > kReach || std::abs(ground.y) > kReach) continue;
      pixel[0] = level(ground.x);
      pixel[1] = level(ground.y);
      pixel[2] = 255;
    }
  return image;
}

Sample ground_sample() {
  Sample sample = small_sample("s", 3, 1.0);
  sample.cameras = {camera_on_ground("front", CameraKind::Pinhole, {1.5, 0.2, 1.6}, 3, 25, 2),
                    camera_on_ground("left", CameraKind::Fisheye, {0.5, 0.9, 1.4}, 85, 35, -4),
                    camera_on_ground("right", CameraKind::Rational, {0.5, -0.9, 1.5}, -95, 30, 5)};
  return sample;
}

AugmentationOptions everything_that_moves() {
  return {.zoom_min = 0.8,
          .zoom_max = 1.3,
          .picture_shift = 0.1,
          .roll = 15 * kDegree,
          .mirror = 0.5,
          .scale_min = 0.9,
          .scale_max = 1.1,
          .yaw = 30 * kDegree,
          .shift_x = 3,
          .shift_y = 2};
}

TEST(Augmentation, AMaskCoversTheSamePlaces) {
  for (int64_t entry = 0; entry < 24; ++entry) {
    Sample sample = ground_sample();
    sample.sequence = entry;
    for (CameraImage& camera : sample.cameras) camera.camera.ego_mask = {{{20, 90}, {130, 70}, {200, 170}, {60, 150}}};
    const Sample before = sample;
    const Augmentation augmentation(everything_that_moves(), small_options().labels, 7);
    const EgoChange change = augmentation.apply(sample, entry, 2);
    int covered = 0;
    for (size_t i = 0; i < sample.cameras.size(); ++i) {
      Camera was = before.cameras[i].camera, is = sample.cameras[i].camera;
      const EgoMask mask_before = std::exchange(was.ego_mask, {}), mask_after = std::exchange(is.ego_mask, {});
      const CameraProjector old_view(was), new_view(is);
      for (double x = -9; x <= 9; x += 0.3)
        for (double y = -9; y <= 9; y += 0.3) {
          const Vec2 changed = change.apply(Vec2{x, y});
          const auto old_pixel = old_view.project({x, y, 0}), new_pixel = new_view.project({changed.x, changed.y, 0});
          if (!old_pixel || !new_pixel) continue;
          EXPECT_EQ(is_masked(mask_before, *old_pixel), is_masked(mask_after, *new_pixel));
          covered += is_masked(mask_after, *new_pixel);
        }
    }
    EXPECT_GT(covered, 50);
  }
}

TEST(Augmentation, APlaceIsStillWhereItsPixelIs) {
  int mirrored = 0;
  for (int64_t entry = 0; entry < 24; ++entry) {
    Sample sample = ground_sample();
    sample.sequence = entry;
    const Augmentation augmentation(everything_that_moves(), small_options().labels, 7);
    const EgoChange change = augmentation.apply(sample, entry, 2);
    mirrored += change.mirror;
    for (const CameraImage& camera : sample.cameras) {
      ASSERT_NO_THROW(validate(camera.camera)) << camera.name;
      const CameraProjector projector(camera.camera);
      int seen = 0;
      double worst = 0;
      for (double x = -9; x <= 9; x += 0.4)
        for (double y = -9; y <= 9; y += 0.4) {
          const Vec2 changed = change.apply(Vec2{x, y});
          const auto pixel = projector.project({changed.x, changed.y, 0});
          if (!pixel) continue;
          const int u = static_cast<int>(std::lround(pixel->u)), v = static_cast<int>(std::lround(pixel->v));
          if (u < 1 || v < 1 || u + 1 >= camera.camera.width || v + 1 >= camera.camera.height) continue;
          // Only where the neighbours are ground too, and a pixel is smaller than what is asked for.
          double near[2] = {1e9, 1e9}, far[2] = {-1e9, -1e9};
          bool whole = true;
          for (int dv = -1; dv <= 1; ++dv)
            for (int du = -1; du <= 1; ++du) {
              const uint8_t* p = camera.image.data<const uint8_t>() + 3 * ((v + dv) * camera.camera.width + u + du);
              whole = whole && p[2] == 255;
              for (int k = 0; k < 2; ++k) {
                near[k] = std::min(near[k], metres(p[k]));
                far[k] = std::max(far[k], metres(p[k]));
              }
            }
          if (!whole || far[0] - near[0] > 0.6 || far[1] - near[1] > 0.6) continue;
          const uint8_t* p = camera.image.data<const uint8_t>() + 3 * (v * camera.camera.width + u);
          worst = std::max({worst, std::abs(metres(p[0]) - x), std::abs(metres(p[1]) - y)});
          ++seen;
        }
      EXPECT_GT(seen, 25) << camera.name << " of " << entry;
      EXPECT_LT(worst, 0.35) << camera.name << " of " << entry;
    }
  }
  EXPECT_GT(mirrored, 5);
  EXPECT_LT(mirrored, 19);
}

TEST(Augmentation, ProjectionsOfChangedPlacesAreThoseOfTheChangedPicture) {
  // Without rounding to pixels: zoom about the middle and a shift are what they say, off the ground too.
  Sample sample = ground_sample();
  CameraImage& camera = sample.cameras[0];
  const Camera before = camera.camera;
  change_camera(camera, {.zoom = 1.2, .shift_u = 0.05, .shift_v = 0.05}, {});
  for (const Vec3 place : {Vec3{5, 0.5, 0}, Vec3{6, -1, 0.7}, Vec3{9, 1.5, 1.2}}) {
    const auto old = project(before, place);
    const auto now = project(camera.camera, place);
    ASSERT_TRUE(old && now);
    EXPECT_NEAR(now->u + 0.5, (old->u + 0.5 - 120) * 1.2 + 120 + 12, 1e-9);
    EXPECT_NEAR(now->v + 0.5, (old->v + 0.5 - 90) * 1.2 + 90 + 9, 1e-9);
  }
}

TEST(Augmentation, InverseAndPosesFitTheChange) {
  const EgoChange change{.mirror = true, .scale = 1.2, .yaw = 0.4, .shift = {1, -2}};
  const Vec2 p = {3, 4}, back = change.inverse().apply(change.apply(p));
  EXPECT_NEAR(back.x, p.x, 1e-12);
  EXPECT_NEAR(back.y, p.y, 1e-12);
  // A place of the world, from two frames with changes of their own in the same changed world.
  const EgoChange other{.mirror = true, .scale = 1.2, .yaw = -0.1, .shift = {0.5, 0}};
  const Pose now = Pose::from_yaw(30, -8, 0.5, 0.7), then = Pose::from_yaw(22, -7, 0.4, 0.2);
  const Vec3 in_now = {4, -3, 0.2}, in_then = then.inverse().apply(now.apply(in_now));
  const Pose changed_now = change.apply_to_pose(now), changed_then = other.apply_to_pose(then);
  EXPECT_TRUE(changed_now.is_rigid(1e-12));
  const Vec3 a = changed_now.apply(change.apply(in_now)), b = changed_then.apply(other.apply(in_then));
  EXPECT_NEAR(norm(a - b), 0, 1e-12);
  const Vec2 warped = ground_warp(changed_now, changed_then).apply(change.apply(Vec2{in_now.x, in_now.y}));
  const Vec2 wanted = other.apply(Vec2{in_then.x, in_then.y});
  EXPECT_NEAR(norm(warped - wanted), 0, 1e-9);
}

TEST(Augmentation, LabelsFollowThePlaces) {
  LabelSchema labels;
  Sample sample;
  sample.labels.lane_shapes = {{4, false, 0.15, {{-10, 3}, {10, 4}, {40, -2}}}, {0, false, 0.15, {{0, -5}, {30, -5}}}};
  sample.labels.lane = draw_shapes(sample.labels.lane_shapes, 9, labels.grid);
  sample.labels.visibility = zeros({3, labels.grid.rows(), labels.grid.columns()}, {.dtype = DType::UInt8});
  std::fill_n(sample.labels.visibility.data<uint8_t>(), sample.labels.visibility.numel(), uint8_t{1});
  sample.labels.boxes = {{.x = 10, .y = 4, .z = 1, .l = 4, .w = 2, .h = 1.5, .yaw = 0.5, .vx = 3, .vy = 1}};
  sample.labels.instances = {{.x = 6, .y = 2, .w = 3, .h = 1, .angle = 0.3, .class_id = 1}};
  sample.points = from_values({11, 4.5, 0.5, 0.7, 30, -3, 2, 0.1}, {2, 4});
  const Box3d box = sample.labels.boxes[0];
  const EgoChange change{.mirror = true, .scale = 1.1, .yaw = 0.35, .shift = {2, -1}};
  change_ego(sample, change, labels);

  // Right solid, left dashed is its opposite in a mirrored world; a solid line is one still.
  EXPECT_EQ(labels.lane_classes[static_cast<size_t>(sample.labels.lane_shapes[0].class_id)], "LeftSolidRightDashed");
  EXPECT_EQ(sample.labels.lane_shapes[1].class_id, 0);
  const Tensor drawn = draw_shapes(sample.labels.lane_shapes, 9, labels.grid, kLabelLineWidth * change.scale);
  int64_t marked = 0, apart = 0, ignored = 0;
  for (int64_t i = 0; i < drawn.numel(); ++i) {
    const uint8_t got = sample.labels.lane.data<uint8_t>()[i], wanted = drawn.data<uint8_t>()[i];
    ignored += got == kIgnoreLabel;
    if (got == kIgnoreLabel) continue;
    marked += wanted;
    apart += got != wanted;
  }
  EXPECT_GT(marked, 700);
  EXPECT_LT(apart, marked / 3);  // cells on the marks' borders
  EXPECT_GT(ignored, 0);
  // What comes from beyond the raster is ignored and seen by nobody, alike.
  const int64_t cells = labels.grid.rows() * labels.grid.columns();
  for (int64_t i = 0; i < cells; ++i)
    EXPECT_EQ(sample.labels.lane.data<uint8_t>()[i] == kIgnoreLabel, sample.labels.visibility.data<uint8_t>()[i] == 0);

  const Box3d& moved = sample.labels.boxes[0];
  EXPECT_NEAR(moved.l, box.l * 1.1, 1e-12);
  EXPECT_NEAR(std::hypot(moved.vx, moved.vy), std::hypot(box.vx, box.vy) * 1.1, 1e-12);
  // A place ahead of the box's middle, along its heading.
  const Vec2 nose = change.apply(Vec2{box.x, box.y} + direction(box.yaw) * 2);
  const Vec2 wanted = Vec2{moved.x, moved.y} + direction(moved.yaw) * (2 * change.scale);
  EXPECT_NEAR(norm(nose - wanted), 0, 1e-9);
  const Instance& instance = sample.labels.instances[0];
  const Vec2 end = change.apply(Vec2{6, 2} + direction(0.3) * 1.5);
  EXPECT_NEAR(norm(end - (Vec2{instance.x, instance.y} + direction(instance.angle) * (instance.w / 2))), 0, 1e-9);
  const float* p = sample.points.data<float>();
  const Vec3 point = change.apply(Vec3{11, 4.5, 0.5});
  EXPECT_NEAR(p[0], point.x, 1e-5);
  EXPECT_NEAR(p[1], point.y, 1e-5);
  EXPECT_NEAR(p[2], 0.55, 1e-5);
  EXPECT_EQ(p[3], 0.7f);
}

TEST(Augmentation, DependsOnSeedEntryAndEpochAlone) {
  AugmentationOptions options = everything_that_moves();
  options.brightness = options.tint = 20;
  options.noise = 5;
  options.blur = 1;
  options.contrast = options.saturation = 0.3;
  options.jpeg_quality_min = 40;
  options.camera_turn = 0.01;
  options.timestamp_jitter = 0.02;
  struct Changed {
    Sample sample;
    EgoChange ego;
  };
  const auto changed = [&](uint64_t seed, int64_t entry, int64_t epoch) {
    Sample sample = ground_sample();
    const EgoChange ego = Augmentation(options, small_options().labels, seed).apply(sample, entry, epoch);
    return Changed{sample, ego};
  };
  const auto same = [](const Changed& a, const Changed& b) {
    const CameraImage &x = a.sample.cameras[1], &y = b.sample.cameras[1];
    return a.ego == b.ego && a.sample.timestamp == b.sample.timestamp && x.camera == y.camera &&
           std::memcmp(x.image.raw_data(), y.image.raw_data(), x.image.nbytes()) == 0;
  };
  const Changed sample = changed(1, 5, 0);
  EXPECT_TRUE(same(sample, changed(1, 5, 0)));
  EXPECT_FALSE(same(sample, changed(2, 5, 0)));
  EXPECT_FALSE(same(sample, changed(1, 6, 0)));
  EXPECT_FALSE(same(sample, changed(1, 5, 1)));
  // Frames of a sequence live in one world.
  EXPECT_EQ(sample.ego.mirror, changed(1, 6, 0).ego.mirror);
  EXPECT_EQ(sample.ego.scale, changed(1, 6, 0).ego.scale);

  Changed untouched = {ground_sample(), {}};
  untouched.ego = Augmentation({}, small_options().labels, 1).apply(untouched.sample, 5, 0);
  EXPECT_TRUE(same(untouched, {ground_sample(), {}}));
}

TEST(Augmentation, SensorsFailAsOftenAsItIsSaid) {
  AugmentationOptions options;
  options.drop_camera = 0.25;
  options.drop_lidar = 0.5;
  const Augmentation augmentation(options, small_options().labels, 3);
  int black = 0, blind = 0;
  for (int64_t entry = 0; entry < 400; ++entry) {
    Sample sample = small_sample("s", 0, 0);
    augmentation.apply(sample, entry, 0);
    blind += sample.points.size(0) == 0;
    for (const CameraImage& camera : sample.cameras) {
      const uint8_t* pixels = camera.image.data<const uint8_t>();
      black += std::all_of(pixels, pixels + camera.image.numel(), [](uint8_t value) { return value == 0; });
    }
  }
  EXPECT_NEAR(blind / 400.0, 0.5, 0.1);
  EXPECT_NEAR(black / 1200.0, 0.25, 0.06);
}

TEST(Augmentation, PixelsChangeByWhatIsSaid) {
  const auto mean_and_deviation = [](const Tensor& image) {
    double sum = 0, squares = 0;
    const uint8_t* pixels = image.data<const uint8_t>();
    for (int64_t i = 0; i < image.numel(); ++i) sum += pixels[i], squares += pixels[i] * pixels[i];
    const auto count = static_cast<double>(image.numel());
    return std::pair{sum / count, std::sqrt(squares / count - sum / count * (sum / count))};
  };
  CameraImage camera{"c", small_camera(CameraKind::Pinhole, 64, 48), empty_image(48, 64)};
  std::fill_n(camera.image.data<uint8_t>(), camera.image.numel(), uint8_t{100});
  const auto changed = [&](const PictureChange& change) {
    CameraImage copy = camera;
    Generator generator(1);
    change_picture(copy, change, generator);
    return mean_and_deviation(copy.image);
  };
  EXPECT_NEAR(changed({.contrast = 1.5}).first, 128 - 28 * 1.5, 0.01);
  EXPECT_NEAR(changed({.offset = {12, 12, 12}}).first, 112, 0.01);
  EXPECT_NEAR(changed({.noise = 6}).first, 100, 0.3);
  EXPECT_NEAR(changed({.noise = 6}).second, 6, 0.4);
  EXPECT_EQ(changed({.blur = 2}), changed({}));
  camera.image.data<uint8_t>()[3 * (24 * 64 + 32)] = 255;
  EXPECT_LT(changed({.blur = 1}).second, changed({}).second / 2);
  EXPECT_NEAR(changed({.blur = 1}).first, changed({}).first, 0.02);
  EXPECT_NE(changed({.jpeg_quality = 30}), changed({}));
}

TEST(Augmentation, ImpossibleValuesAreRefused) {
  const auto refused = [](const AugmentationOptions& options) {
    return error_of([&] { Augmentation(options, small_options().labels, 0); });
  };
  EXPECT_THAT(refused({.mirror = 1.5}), HasSubstr("mirror is 1.5, expected 0 to 1"));
  EXPECT_THAT(refused({.zoom_min = 2, .zoom_max = 1}), HasSubstr("zoom is 1"));
  EXPECT_THAT(refused({.roll = -1}), HasSubstr("roll is -1"));
  EXPECT_THAT(refused({.blur = 9}), HasSubstr("blur is 9"));
}

TEST(Augmentation, TheLoaderGivesTheSameWithAnyNumberOfWorkers) {
  const TemporaryFolder folder;
  write_small_dataset(folder, {7, 5});
  const Dataset dataset(folder / "lmdb.txt", {{"online", {folder / "all.txt"}}}, small_options());
  const auto augmentation = std::make_shared<const Augmentation>(everything_that_moves(), dataset.options().labels, 11);
  const auto batches = [&](int workers, bool streaming) {
    const SamplerOptions options{.batch_size = 3, .seed = 4};
    Loader loader(dataset,
                  streaming ? make_streaming_sampler(dataset, options) : make_shuffled_sampler(dataset, options),
                  {.workers = workers, .augmentation = augmentation});
    std::vector<Batch> all;
    for (int i = 0; i < 10; ++i) all.push_back(*loader.next());
    return all;
  };
  for (const bool streaming : {false, true}) {
    const std::vector<Batch> alone = batches(0, streaming), together = batches(3, streaming);
    for (size_t i = 0; i < alone.size(); ++i) {
      EXPECT_EQ(alone[i].ego_changes, together[i].ego_changes);
      EXPECT_EQ(alone[i].images[0].to_vector(), together[i].images[0].to_vector());
    }
    // The next epoch brings the same frames in other clothes.
    EXPECT_NE(alone[0].ego_changes, alone[4].ego_changes);
    if (!streaming) continue;
    for (size_t i = 1; i < alone.size(); ++i)
      for (size_t n = 0; n < 3; ++n)
        if (!alone[i].starts[n]) {
          EXPECT_EQ(alone[i].ego_changes[n].mirror, alone[i - 1].ego_changes[n].mirror);
        }
  }
}

}  // namespace
}  // namespace bevgrad
