#include "internal/record/camera.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <stdexcept>
#include <tuple>

#include "data/image_codec.h"
#include "data/unseeing_camera.h"
#include "internal/record/number_checks.h"

namespace bevgrad {

namespace {

constexpr uint32_t kMaxSide = 16384;
constexpr double kFarthestPixel = 1e5;

std::string field_of(const records::Camera& stored, const char* field) {
  return fmt::format("camera '{}': {}", stored.name(), field);
}

struct StoredKind {
  CameraKind kind;
  records::Camera::Model model;
  size_t terms;  // of its distortion
};
constexpr StoredKind kStoredKinds[] = {{CameraKind::Pinhole, records::Camera::PINHOLE, 5},
                                       {CameraKind::Fisheye, records::Camera::FISHEYE, 4},
                                       {CameraKind::Rational, records::Camera::RATIONAL, 8}};
constexpr size_t kNumeratorTerms = std::tuple_size_v<decltype(Camera::distortion)>;  // the others are the denominator's

Tensor load_rgb(const records::Camera& stored, ImageSize size, const RecordOrigin& origin) {
  size_t expected = size_t{stored.width()} * stored.height() * 3;
  check(stored.rgb().size() == expected, "{} has {} bytes, expected {} for {}x{} pixels",
        origin.at(field_of(stored, "rgb")), stored.rgb().size(), expected, stored.width(), stored.height());
  Tensor image = empty_image(stored.height(), stored.width());
  std::memcpy(image.data<uint8_t>(), stored.rgb().data(), expected);
  return resize_image(image, size);
}

Tensor load_picture(const records::Camera& stored, ImageSize size, const RecordOrigin& origin) {
  switch (stored.image_case()) {
    case records::Camera::kJpeg: {
      const std::string& jpeg = stored.jpeg();
      if (stored.has_crc32()) check_checksum(jpeg, stored.crc32(), origin, field_of(stored, "jpeg"));
      return decode_jpeg({reinterpret_cast<const uint8_t*>(jpeg.data()), jpeg.size()},
                         {stored.height(), stored.width()}, size, origin.at(field_of(stored, "jpeg")));
    }
    case records::Camera::kRgb:
      if (stored.has_crc32()) check_checksum(stored.rgb(), stored.crc32(), origin, field_of(stored, "rgb"));
      return load_rgb(stored, size, origin);
    case records::Camera::IMAGE_NOT_SET:
      break;
  }
  fail("{} is missing, expected jpeg or rgb", origin.at(field_of(stored, "image")));
}

EgoMask load_ego_mask(const records::Camera& stored, const RecordOrigin& origin) {
  EgoMask mask;
  int all = 0;
  for (int p = 0; p < stored.ego_mask_size(); ++p) {
    const auto& uv = stored.ego_mask(p).uv();
    const std::string field = field_of(stored, fmt::format("ego_mask[{}].uv", p).c_str());
    check(uv.size() >= 6 && uv.size() % 2 == 0, "{} has {} numbers, expected u and v of three corners or more",
          origin.at(field), uv.size());
    all += uv.size() / 2;
    check(all <= kMostMaskCorners, "{}: the mask has over {} corners", origin.at(field), kMostMaskCorners);
    std::vector<Vec2>& polygon = mask.emplace_back();
    for (int i = 0; i < uv.size(); i += 2)
      polygon.push_back({checked_number(uv[i], -kFarthestPixel, kFarthestPixel, origin, field.c_str()),
                         checked_number(uv[i + 1], -kFarthestPixel, kFarthestPixel, origin, field.c_str())});
  }
  return mask;
}

}  // namespace

void store_camera(const Camera& camera, const std::string& name, const std::string& group, records::Camera* out) {
  out->set_name(name);
  out->set_group(group);
  const StoredKind& kind = *std::ranges::find(kStoredKinds, camera.kind, &StoredKind::kind);
  out->set_model(kind.model);
  out->set_width(static_cast<uint32_t>(camera.width));
  out->set_height(static_cast<uint32_t>(camera.height));
  out->set_fx(camera.fx);
  out->set_fy(camera.fy);
  out->set_cx(camera.cx);
  out->set_cy(camera.cy);
  out->clear_distortion();
  for (size_t i = 0; i < kind.terms; ++i)
    out->add_distortion(i < kNumeratorTerms ? camera.distortion[i] : camera.denominator[i - kNumeratorTerms]);
  out->set_fov(camera.is_fisheye() ? camera.fov : 0);
  store_pose(camera.sensor2ego, out->mutable_sensor2ego());
  out->clear_ego_mask();
  for (const std::vector<Vec2>& polygon : camera.ego_mask) {
    auto* uv = out->add_ego_mask()->mutable_uv();
    for (const Vec2 corner : polygon) {
      uv->Add(static_cast<float>(corner.x));
      uv->Add(static_cast<float>(corner.y));
    }
  }
}

void store_jpeg(std::string jpeg, records::Camera* out) {
  out->set_crc32(checksum(jpeg));
  out->set_jpeg(std::move(jpeg));
}

void store_picture(const Tensor& image, int jpeg_quality, records::Camera* out) {
  if (jpeg_quality > 0) return store_jpeg(encode_jpeg(image, jpeg_quality), out);
  out->set_rgb(
      std::string(reinterpret_cast<const char*>(image.data<const uint8_t>()), static_cast<size_t>(image.numel())));
  out->set_crc32(checksum(out->rgb()));
}

Camera load_camera(const records::Camera& stored, const RecordOrigin& origin) {
  Camera camera;
  const StoredKind* kind = std::ranges::find(kStoredKinds, stored.model(), &StoredKind::model);
  check(kind != std::end(kStoredKinds), "{} is {}, expected PINHOLE (1), FISHEYE (2) or RATIONAL (3)",
        origin.at(field_of(stored, "model")), static_cast<int>(stored.model()));
  camera.kind = kind->kind;
  check(stored.width() > 0 && stored.height() > 0 && stored.width() <= kMaxSide && stored.height() <= kMaxSide,
        "{} is {}x{}, expected 1 to {} each", origin.at(field_of(stored, "width x height")), stored.width(),
        stored.height(), kMaxSide);
  camera.width = static_cast<int>(stored.width());
  camera.height = static_cast<int>(stored.height());
  camera.fx = stored.fx();
  camera.fy = stored.fy();
  camera.cx = stored.cx();
  camera.cy = stored.cy();
  const auto terms = static_cast<size_t>(stored.distortion_size());
  check(terms <= kind->terms, "{} has {} numbers, expected at most {}", origin.at(field_of(stored, "distortion")),
        terms, kind->terms);
  for (size_t i = 0; i < terms; ++i)
    (i < kNumeratorTerms ? camera.distortion[i] : camera.denominator[i - kNumeratorTerms]) =
        stored.distortion(static_cast<int>(i));
  if (camera.is_fisheye()) camera.fov = stored.fov();
  camera.sensor2ego = checked_pose(stored.sensor2ego(), origin, field_of(stored, "sensor2ego"));
  camera.ego_mask = load_ego_mask(stored, origin);
  try {
    validate(camera);
  } catch (const std::invalid_argument& error) {
    fail("{}: {}", origin.at(field_of(stored, "calibration")), error.what());
  }
  return camera;
}

CameraImage missing_camera_image(const std::string& name, int64_t height, int64_t width, bool load_image) {
  CameraImage out;
  out.name = name;
  out.camera.width = static_cast<int>(width);
  out.camera.height = static_cast<int>(height);
  out.camera = unseeing_camera(out.camera);
  if (load_image) {
    out.image = empty_image(height, width);
    std::fill_n(out.image.data<uint8_t>(), 3 * height * width, uint8_t{0});
  }
  return out;
}

CameraImage load_camera_image(const records::Camera& stored, int64_t height, int64_t width, bool load_image,
                              const RecordOrigin& origin) {
  CameraImage out;
  out.name = stored.name();
  out.camera = resized(load_camera(stored, origin), static_cast<int>(width), static_cast<int>(height));
  if (load_image) out.image = load_picture(stored, {height, width}, origin);
  return out;
}

}  // namespace bevgrad
