#include "data/scene/bodies.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace bevgrad::scene {

namespace {

constexpr Rgb kGlass = {36, 44, 52}, kTyre = {22, 22, 24}, kSkin = {196, 150, 122}, kConcrete = {168, 166, 160};

}  // namespace

RotatedBox door_of(const Actor& actor, const ActorState& state) {
  constexpr double kLength = 1.05, kThickness = 0.06, kHinge = 0.16, kAngle = 0.785;
  const Vec2 along = direction(state.yaw), across = left_of(along) * state.door;
  const Vec2 hinge = state.position + along * (actor.length * kHinge) + across * (actor.width / 2);
  const Vec2 open = along * -std::cos(kAngle) + across * std::sin(kAngle);
  const Vec2 middle = hinge + open * (kLength / 2);
  return {middle.x, middle.y, kLength, kThickness, std::atan2(open.y, open.x)};
}

void append_body(const Actor& actor, const ActorState& state, std::vector<Solid>& solids) {
  if (!state.present) return;
  const double l = actor.length, w = actor.width, h = actor.height;
  const Vec2 along = direction(state.yaw);
  const auto add = [&](double shift, double length, double width, double z0, double z1, Material material, Rgb colour) {
    const Vec2 p = state.position + along * shift;
    solids.push_back({{p.x, p.y, length, width, state.yaw}, z0, z1, material, colour, actor.seed, false, state.lamps});
  };
  switch (actor.type) {
    case ActorType::Car:
      add(0, l, w, 0, h * 0.6, Material::Paintwork, actor.colour);
      add(-l * 0.06, l * 0.56, w * 0.88, h * 0.6, h, Material::Cabin, actor.colour);
      if (state.door != 0)
        solids.push_back(
            {door_of(actor, state), 0.22, h * 0.9, Material::Door, actor.colour, actor.seed, false, state.lamps});
      break;
    case ActorType::Truck:
      add(l * 0.37, l * 0.26, w, 0, h * 0.85, Material::Coach, actor.colour);
      add(-l * 0.14, l * 0.72, w, 0, h, Material::Cargo, actor.colour);
      break;
    case ActorType::Bus:
      add(0, l, w, 0, h, Material::Coach, actor.colour);
      break;
    case ActorType::Person:
      add(0, l * 0.6, w * 0.9, 0, h - 0.25, Material::Clothes, actor.colour);
      add(0, 0.2, 0.18, h - 0.25, h, Material::Head, kSkin);
      break;
    case ActorType::NonMotor:
      add(0, l, 0.14, 0, 0.95, Material::Cycle, actor.colour);
      add(-0.1, 0.35, w * 0.8, 0.75, h - 0.25, Material::Clothes, actor.colour);
      add(0, 0.2, 0.18, h - 0.25, h, Material::Head, kSkin);
      break;
    case ActorType::RiderlessNonMotor:
      add(0, l, 0.18, 0, h * 0.85, Material::Cycle, actor.colour);
      add(l * 0.32, 0.1, w, h * 0.85, h, Material::Cycle, actor.colour);
      break;
    case ActorType::Barrier:
      add(0, l, w, 0, h, Material::Striped, {214, 60, 40});
      break;
    case ActorType::Pillar:
      add(0, l, w, 0, h, Material::Column, kConcrete);
      solids.back().is_static = true;
      break;
  }
}

Solid ego_body() {
  return {{(kEgoFront + kEgoRear) / 2, 0, kEgoFront - kEgoRear - 0.04, 2 * kEgoHalfWidth, 0},
          0.12,
          0.62,
          Material::Ego,
          {40, 44, 52},
          0,
          false};
}

namespace {

float stripe(float position, float period) {
  return position / period - std::floor(position / period);
}

constexpr Rgb kHeadlamp = {250, 248, 230}, kAmber = {255, 158, 20}, kTailLamp = {104, 12, 10},
              kBrakeLamp = {255, 64, 52};

/// What a spot between two heights of a body with lamps shows of them: at both ends turn lights outside, head or tail
/// lamps beside them, and turn lights on the sides in front.
std::optional<Appearance> lamp_at(const Solid& s, const Spot& spot, float low, float high) {
  if (spot.z < low || spot.z > high || spot.axis == 2) return std::nullopt;
  const float half = static_cast<float>(s.footprint.w) / 2, wide = static_cast<float>(s.footprint.h) / 2;
  const bool left = spot.axis == 0 ? spot.y > 0 : spot.positive;
  const bool signals = (s.lamps & (left ? kLeftLamps : kRightLamps)) != 0;
  const Appearance amber = {kAmber, 0.8f, true, true};
  if (spot.axis == 1) {
    if (signals && half - spot.x > 0.15f && half - spot.x < 0.6f) return amber;
    return std::nullopt;
  }
  const float outwards = std::abs(spot.y) / wide;
  if (outwards < 0.5f) return std::nullopt;
  if (signals && outwards > 0.72f) return amber;
  if (spot.positive) return Appearance{kHeadlamp, 0.8f, true};
  return (s.lamps & kBrakeLamps) != 0 ? Appearance{kBrakeLamp, 0.8f, true, true} : Appearance{kTailLamp, 0.8f, true};
}

/// Paintwork with wheels, lamps and a dark sill.
Appearance car_body(const Solid& s, const Spot& spot) {
  if ((s.lamps & kLampsShown) != 0)
    if (const auto lamp = lamp_at(s, spot, 0.52f, 0.8f)) return *lamp;
  const float half = static_cast<float>(s.footprint.w) / 2, wide = static_cast<float>(s.footprint.h) / 2;
  if (spot.axis == 1) {
    for (float axle : {half * 0.6f, -half * 0.6f}) {
      const float dx = spot.x - axle, dz = spot.z - 0.33f, r2 = dx * dx + dz * dz;
      if (r2 < 0.05f) return {{120, 122, 126}, 0.4f};
      if (r2 < 0.13f) return {kTyre, 0.08f};
    }
    if (std::abs(stripe(spot.x + half, half) - 0.5f) < 0.015f) return {s.colour * 0.6f, 0.3f};
  }
  if (spot.axis == 0 && std::abs(std::abs(spot.y) - wide * 0.75f) < wide * 0.2f && spot.z > 0.55f && spot.z < 0.75f)
    return spot.positive ? Appearance{{250, 248, 230}, 0.8f, true} : Appearance{{200, 24, 20}, 0.8f, true};
  if (spot.axis == 0 && std::abs(spot.y) < 0.26f && spot.z > 0.4f && spot.z < 0.52f) return {{226, 228, 230}, 0.9f};
  if (spot.z < 0.22f) return {kTyre, 0.1f};
  return {s.colour, 0.35f};
}

Appearance coach(const Solid& s, const Spot& spot) {
  if ((s.lamps & kLampsShown) != 0)
    if (const auto lamp = lamp_at(s, spot, 0.6f, 0.95f)) return *lamp;
  const float half = static_cast<float>(s.footprint.w) / 2, top = static_cast<float>(s.z1);
  if (spot.axis != 2 && spot.z > top * 0.45f && spot.z < top * 0.8f) {
    if (spot.axis == 0 || stripe(spot.x + half, 1.3f) > 0.1f) return {kGlass, 0.1f};
  }
  if (spot.axis == 1) {
    for (float axle : {half * 0.62f, -half * 0.62f}) {
      const float dx = spot.x - axle, dz = spot.z - 0.45f;
      if (dx * dx + dz * dz < 0.2f) return {kTyre, 0.08f};
    }
  }
  if (spot.axis == 0 && spot.z > 0.6f && spot.z < 0.85f && std::abs(spot.y) > static_cast<float>(s.footprint.h) * 0.33f)
    return spot.positive ? Appearance{{250, 248, 230}, 0.8f, true} : Appearance{{200, 24, 20}, 0.8f, true};
  return {spot.z < 0.3f ? kTyre : s.colour, 0.35f};
}

Appearance building(const Solid& s, const Spot& spot, bool night) {
  const float u = spot.axis == 0 ? spot.y : spot.x;
  const float column = std::floor(u / 2.4f), floor = std::floor(spot.z / 3);
  const float fu = stripe(u, 2.4f), fz = stripe(spot.z, 3);
  if (spot.axis != 2 && fu > 0.25f && fu < 0.75f && fz > 0.3f && fz < 0.75f) {
    const bool lit = hash_noise(static_cast<int>(column), static_cast<int>(floor), s.seed) < 0.35f;
    if (night && lit) return {{230, 200, 130}, 0.2f, true};
    return {kGlass * 1.4f, 0.2f};
  }
  return {s.colour, 0.4f};
}

}  // namespace

Appearance appearance(const Solid& s, const Spot& spot, bool night) {
  const auto grain = [&](float amount, float size) {
    const float u = spot.axis == 0 ? spot.y : spot.x;
    return 1 + amount *
                   (hash_noise(static_cast<int>(std::floor(u / size)), static_cast<int>(spot.z / size), s.seed) - 0.5f);
  };
  switch (s.material) {
    case Material::Wall: {
      const bool band = spot.z > 0.9f && spot.z < 1.05f;
      const bool joint = stripe(spot.z, 0.5f) < 0.05f;
      return {(band ? Rgb{190, 160, 60} : s.colour * (joint ? 0.8f : 1.0f)) * grain(0.12f, 0.25f), 0.45f};
    }
    case Material::Building:
      return building(s, spot, night);
    case Material::Curb:
      return {s.colour * grain(0.15f, 0.3f), 0.5f};
    case Material::Column: {
      if (spot.z < 1.1f && spot.axis != 2) {
        const float u = (spot.axis == 0 ? spot.y : spot.x) + spot.z;
        return stripe(u, 0.5f) < 0.5f ? Appearance{{226, 184, 36}, 0.6f} : Appearance{{32, 32, 34}, 0.1f};
      }
      return {s.colour * grain(0.1f, 0.2f), 0.45f};
    }
    case Material::Foliage:
      return {s.colour * grain(0.7f, 0.25f), 0.35f};
    case Material::Trunk:
      return {s.colour * grain(0.4f, 0.1f), 0.3f};
    case Material::Paintwork:
      return car_body(s, spot);
    case Material::Cabin: {
      if (spot.axis == 2) return {s.colour, 0.35f};
      // The third brake light, below the roof.
      if ((s.lamps & kBrakeLamps) != 0 && spot.axis == 0 && !spot.positive && std::abs(spot.y) < 0.4f &&
          static_cast<float>(s.z1) - spot.z < 0.14f)
        return {kBrakeLamp, 0.8f, true, true};
      const float edge = static_cast<float>(spot.axis == 0 ? s.footprint.h : s.footprint.w) / 2;
      const float u = std::abs(spot.axis == 0 ? spot.y : spot.x);
      const bool frame = u > edge - 0.08f || (spot.axis == 1 && u < 0.05f) || spot.z > static_cast<float>(s.z1) - 0.06f;
      return {frame ? s.colour * 0.8f : kGlass, frame ? 0.35f : 0.08f};
    }
    case Material::Coach:
      return coach(s, spot);
    case Material::Cargo: {
      if ((s.lamps & kLampsShown) != 0 && spot.axis == 0 && !spot.positive)
        if (const auto lamp = lamp_at(s, spot, 0.6f, 0.95f)) return *lamp;
      const bool rib = spot.axis != 2 && stripe(spot.axis == 0 ? spot.y : spot.x, 0.6f) < 0.1f;
      if (spot.z < 0.7f) return {kTyre, 0.1f};
      return {Rgb{184, 186, 188} * (rib ? 0.75f : 1.0f), 0.4f};
    }
    case Material::Clothes:
      return {spot.z < 0.82f ? Rgb{44, 50, 70} : s.colour, 0.35f};
    case Material::Head:
      return {spot.z > static_cast<float>(s.z1) - 0.07f ? Rgb{40, 30, 24} : s.colour, 0.4f};
    case Material::Cycle: {
      if (spot.z < 0.62f) {
        const float half = static_cast<float>(s.footprint.w) / 2;
        for (float axle : {half - 0.33f, 0.33f - half}) {
          const float dx = spot.x - axle, dz = spot.z - 0.33f, r2 = dx * dx + dz * dz;
          if (r2 < 0.11f) return {r2 > 0.07f ? kTyre : Rgb{96, 98, 100}, 0.15f};
        }
      }
      return {s.colour * 0.8f, 0.3f};
    }
    case Material::Striped:
      return {stripe(spot.axis == 0 ? spot.y : spot.x, 0.5f) < 0.5f ? s.colour : Rgb{226, 226, 224}, 0.6f};
    case Material::Door:
      return {spot.z > static_cast<float>(s.z1) * 0.62f ? kGlass : s.colour, 0.35f};
    case Material::Ego:
      return {s.colour, 0.3f};
  }
  return {s.colour, 0.3f};
}

}  // namespace bevgrad::scene
