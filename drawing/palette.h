// Colours. In one picture each has one meaning: no two of the constants and of the classes below are alike, in the
// lists of any task (tests measure it). The legend names them all, and boxes are outlines where rasters are areas.
#pragma once
#include <cstddef>

#include "drawing/canvas.h"

namespace bevgrad {

inline constexpr Color kPaper = rgb(0xF7F7F5);
inline constexpr Color kInk = rgb(0x1D1F21);
inline constexpr Color kFaintInk = rgb(0x6F7378);
inline constexpr Color kGround = rgb(0x22262B);  ///< behind BEV rasters
inline constexpr Color kGridLine = rgb(0x3B4149);
inline constexpr Color kIgnored = rgb(0x4A4F57);
inline constexpr Color kEgo = rgb(0xFF6699);         ///< the vehicle, and the way that it drove
inline constexpr Color kTruthBox = rgb(0x77BB66);    ///< a labelled box where predicted ones lie beside it
inline constexpr Color kRight = rgb(0xB0B5BB);       ///< difference: predicted and there
inline constexpr Color kMissed = rgb(0xBBFF00);      ///< difference: there, not predicted
inline constexpr Color kFalseAlarm = rgb(0xFF0022);  ///< difference: predicted, not there
inline constexpr Color kFreespace = rgb(0x185430);   ///< where one can drive, by the voxels
inline constexpr Color kWrongClass = rgb(0xEE00FF);  ///< difference: something else is there

/// How many classes of each list have a colour of their own; the ones after them begin the list again.
inline constexpr size_t kLaneColors = 9, kRoadColors = 8, kInstanceColors = 6, kBoxColors = 8, kVoxelColors = 6;
/// Colour of class `index` of a task.
Color lane_color(size_t index);
Color road_color(size_t index);
Color instance_color(size_t index);
Color box_color(size_t index);
/// Of voxel classes that are neither box nor road classes.
Color voxel_color(size_t index);
/// Perceptually even dark-to-bright scale (viridis) for heat maps; `value` in 0..1, clamped, NaN grey.
Color heat_color(double value);

}  // namespace bevgrad
