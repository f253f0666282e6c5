// A camera of the rig: its pixels' rays, and the picture that it takes.
#pragma once
#include <cstdint>
#include <vector>

#include "data/scene/random.h"
#include "data/scene/surroundings.h"
#include "geometry/camera.h"

namespace bevgrad::scene {

class CameraView {
 public:
  /// Works out the ray of every pixel with the camera's own model.
  explicit CameraView(const Camera& camera);

  const Camera& camera() const { return camera_; }

  /// Renders into `rgb`, height x width x 3. `noise` is the standard deviation of the pixels' noise in grey levels;
  /// pixels that no ray reaches stay black.
  void render(const Surroundings& world, const SensorView& view, double noise, Random random, uint8_t* rgb) const;

 private:
  struct PixelRay {
    Direction direction;
    int16_t bin = -1;  ///< -1: no ray
    uint8_t vignette = 255;
  };

  Rgb ground_colour(const Surroundings& world, const PixelRay& ray, float t) const;
  Rgb box_colour(const Surroundings& world, const PixelRay& ray, const Hit& hit) const;

  Camera camera_;
  Direction origin_;
  float pixel_angle_ = 0.01f;  ///< radians a pixel spans
  std::vector<PixelRay> rays_;
};

}  // namespace bevgrad::scene
