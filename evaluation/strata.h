// Which cells a metric is also given for apart: by what the vehicle could know of them.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "evaluation/raster.h"

namespace bevgrad {

/// `All` holds every cell; the other three split it.
enum Stratum : uint8_t { kAllCells = 0, kSeenNow = 1, kHiddenNow = 2, kNeverSeen = 3, kNumStrata = 4 };

/// "all", "seen now", "hidden now" (but seen in the window), "never seen".
inline constexpr std::array<std::string_view, kNumStrata> kStratumNames = {"all", "seen now", "hidden now",
                                                                           "never seen"};

/// One of kSeenNow, kHiddenNow, kNeverSeen per cell, from layers [camera now, LiDAR now, seen in the window]. Empty
/// (then only kAllCells is counted) where `visibility` is. Without LiDAR (`use_lidar` false) its layer does not count
/// as seen.
std::vector<Stratum> strata_of(const LabelRaster& visibility, bool use_lidar = true);

}  // namespace bevgrad
