// Colours. Classes use hues that people with any of the common colour deficiencies can tell apart (after Okabe and Ito,
// and Tol), and never colour alone: the legend names them, and lines differ in width where they lie over one another.
#pragma once
#include <string>
#include <vector>

#include "drawing/canvas.h"

namespace bevgrad {

inline constexpr Color kPaper = rgb(0xF7F7F5);
inline constexpr Color kInk = rgb(0x1D1F21);
inline constexpr Color kFaintInk = rgb(0x6F7378);
inline constexpr Color kGround = rgb(0x22262B);  ///< behind BEV rasters
inline constexpr Color kGridLine = rgb(0x3B4149);
inline constexpr Color kIgnored = rgb(0x4A4F57);
inline constexpr Color kEgo = rgb(0xFFFFFF);
inline constexpr Color kRight = rgb(0xB9BEC4);       ///< difference: predicted and there
inline constexpr Color kMissed = rgb(0x56B4E9);      ///< difference: there, not predicted
inline constexpr Color kFalseAlarm = rgb(0xE69F00);  ///< difference: predicted, not there
inline constexpr Color kWrongClass = rgb(0xCC79A7);  ///< difference: something else is there

/// Colour of class `index`: lanes, then road classes, each task from its own list; wraps round.
Color lane_color(size_t index);
Color road_color(size_t index);
Color instance_color(size_t index);
Color box_color(size_t index);
/// Perceptually even dark-to-bright scale (viridis) for heat maps; `value` in 0..1, clamped, NaN grey.
Color heat_color(double value);

}  // namespace bevgrad
