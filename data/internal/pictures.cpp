#include "internal/pictures.h"

#include <stdexcept>

#include "base/error.h"
#include "data/png_codec.h"
#include "internal/exif.h"
#include "internal/limited_file.h"
#include "internal/record/camera.h"

namespace bevgrad {

namespace {

constexpr int kPngQuality = 95;

void check_calibration(const Camera& camera, ImageSize stated, const std::string& name, const std::string& path,
                       const std::string& where) {
  check(stated.width == 0 || (stated.width == camera.width && stated.height == camera.height),
        "{}: camera '{}' is calibrated for {}x{} pixels, {} has {}x{}", where, name, stated.width, stated.height, path,
        camera.width, camera.height);
  try {
    validate(camera);
  } catch (const std::invalid_argument& error) {
    fail("{}: camera '{}': {}", where, name, error.what());
  }
  check(camera.cx > -0.5 && camera.cx < camera.width - 0.5 && camera.cy > -0.5 && camera.cy < camera.height - 0.5,
        "{}: camera '{}' has its principal point at ({:.1f}, {:.1f}), outside {}, which is {}x{} pixels: a picture of "
        "another size than was calibrated",
        where, name, camera.cx, camera.cy, path, camera.width, camera.height);
}

}  // namespace

ImageSize PictureReader::store(Camera camera, const std::string& name, const std::string& group,
                               const std::string& path, const std::string& where, records::Camera* out) {
  std::string bytes = read_limited_file(path);
  const std::span<const uint8_t> view(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  ImageSize size;
  if (is_png(view)) {
    const Tensor image = decode_png(view, path);
    size = {image.size(1), image.size(2)};
    bytes = encode_jpeg(image, kPngQuality);
    ++from_png_;
  } else {
    size = jpeg_size(view, path);
    std::string remark;
    decode_jpeg(view, size, {1, 1}, path, &remark);  // a damaged picture is noticed now
    if (!remark.empty() && with_stray_bytes_++ == 0) first_stray_ = fmt::format("{}: {}", path, remark);
    const int orientation = exif_orientation(view);
    check(orientation == 1,
          "{}: the EXIF tag Orientation {} turns this picture, its calibration cannot tell which way it is meant: "
          "store its pixels as camera '{}' is calibrated and remove the tag",
          path, orientation, name);
  }
  const ImageSize stated{camera.height, camera.width};
  camera.width = static_cast<int>(size.width);
  camera.height = static_cast<int>(size.height);
  check_calibration(camera, stated, name, path, where);
  store_camera(camera, name, group, out);
  store_jpeg(std::move(bytes), out);
  return size;
}

void PictureReader::add_remarks(std::vector<std::string>& remarks) const {
  if (with_stray_bytes_ > 0)
    remarks.push_back(
        fmt::format("{} pictures are whole but hold stray bytes (first: {})", with_stray_bytes_, first_stray_));
  if (from_png_ > 0)
    remarks.push_back(fmt::format("{} PNG pictures became JPEGs of quality {}", from_png_, kPngQuality));
}

}  // namespace bevgrad
