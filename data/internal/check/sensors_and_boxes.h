// Whether points, boxes and the vehicle's own motion go together. What one record cannot tell is counted over all.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "data/check/findings.h"
#include "data/sample.h"

namespace bevgrad {

/// LiDAR points: all at the origin, not on the ground, intensities that were divided twice.
class CloudCheck {
 public:
  void look_at(const Tensor& points, const std::string& where, Findings& findings);
  void finish(Findings& findings) const;

 private:
  int64_t clouds_ = 0, with_ground_ = 0, off_ground_ = 0, dark_ = 0;
  double height_ = 0;  // of the first cloud that does not lie on the ground
  float brightest_ = 0;
  std::string off_ground_at_, dark_at_;
};

/// 3-D boxes: without the points that they claim, across or against the way that they move.
class BoxCheck {
 public:
  void look_at(const Labels& labels, const Tensor& points, const std::string& where);
  void finish(Findings& findings) const;

 private:
  int64_t claimed_ = 0, found_ = 0;
  int64_t moving_ = 0, backward_ = 0, across_ = 0;
  std::string few_points_at_, astray_at_;
};

/// Poses: the vehicle on its head, moving sideways, backward, upward or faster than any.
class MotionCheck {
 public:
  /// Frames of one stream in the order of time; `starts` at its first, or behind frames that were left out.
  void look_at(const Sample& frame, bool starts, const std::string& where, Findings& findings);
  void finish(Findings& findings) const;

 private:
  struct Before {
    double timestamp;
    Pose pose;
  };
  std::optional<Before> before_;
  int64_t pairs_ = 0, moved_ = 0, backward_ = 0, sideways_ = 0, upward_ = 0, racing_ = 0;
  std::string sideways_at_, backward_at_, racing_at_, upward_at_;
  double speed_ = 0;
};

}  // namespace bevgrad
