// What spoils a camera's picture: dirt and drops on its lens, rain in the air, glare of a low sun.
#pragma once
#include <cstdint>
#include <vector>

#include "data/scene/random.h"
#include "data/scene/surroundings.h"
#include "geometry/camera.h"

namespace bevgrad::scene {

/// Of a drive.
struct Weather {
  bool rain = false, dirt = false, glare = false;
};

/// A camera's lens. Dirt stays where it is for a drive, drops for some frames; both are soft, and hide no more than a
/// part of a picture. Labels of visibility do not know of them.
class Lens {
 public:
  Lens(const Camera& camera, const Weather& weather, Random random);

  /// Changes frame number `frame` of the drive, height x width x 3 bytes.
  void spoil(const Surroundings& world, uint64_t frame, uint8_t* rgb) const;

 private:
  struct Spot {
    float x = 0, y = 0, radius = 1, opacity = 0;
  };
  void add_glare(const Surroundings& world, uint8_t* rgb) const;
  void add_rain(const Surroundings& world, uint64_t frame, uint8_t* rgb) const;
  void add_drops(uint64_t frame, uint8_t* rgb) const;
  void add_dirt(const Surroundings& world, uint8_t* rgb) const;

  Camera camera_;
  Weather weather_;
  Random random_;
  std::vector<Spot> dirt_;
};

}  // namespace bevgrad::scene
