// What things look like: the boxes that an actor is made of, and the colour of a spot on a box.
#pragma once
#include <vector>

#include "data/scene/drive.h"
#include "data/scene/layout.h"

namespace bevgrad::scene {

/// The footprint of an actor's open front door (world frame): it turns about its front edge, by 45 degrees.
RotatedBox door_of(const Actor& actor, const ActorState& state);

/// Appends the boxes of an actor (world frame).
void append_body(const Actor& actor, const ActorState& state, std::vector<Solid>& solids);

/// The ego's own body as its cameras see it (ego frame).
Solid ego_body();

/// A spot on a box: position along its length and width (from its centre) and height over the ground in metres, the
/// face's axis (0: front or back, 1: side, 2: top) and whether it is the face at the positive end.
struct Spot {
  float x = 0, y = 0, z = 0;
  int axis = 0;
  bool positive = false;
};

struct Appearance {
  Rgb colour;
  float reflectivity = 0.3f;
  bool glows = false;   ///< a lamp: not darkened at night
  bool shines = false;  ///< a lamp that is switched on: bright in any light
};

Appearance appearance(const Solid& solid, const Spot& spot, bool night);

}  // namespace bevgrad::scene
