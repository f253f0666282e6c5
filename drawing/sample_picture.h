// One picture a sample: cameras, label, prediction, difference, LiDAR, the warped history frames and the fusion
// weights. Panels that have nothing to show are left out.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "data/label_schema.h"
#include "drawing/camera_view.h"
#include "evaluation/evaluator.h"
#include "evaluation/lane_vectors.h"
#include "geometry/pose.h"

namespace bevgrad {

/// Drawing thresholds, and what is shown.
struct DrawingOptions {
  float lane_threshold = 0.75f;
  float road_threshold = 0.75f;  ///< for road classes not named below
  float freespace_threshold = 0.5f;
  float stopline_threshold = 0.6f;
  float crosswalk_threshold = 0.9f;
  float lane_vector_threshold = 0.3f;  ///< of the vectors in GeoJSON files; pictures show those at lane_threshold
  int lane_vector_points = 10;
  float box_score_threshold = 0.3f;  ///< instances and boxes below it are not drawn
  bool show_history = true;
  bool show_fusion = true;  ///< the current and the mixed feature
  bool fusion_weights = true;
  bool show_vectors = true;  ///< predicted lane vectors over the prediction and in the cameras
  bool show_points_in_cameras = false;
  double pixels_per_cell = 1;  ///< of the label grid
  double widest_camera = 480;  ///< pixels
  double least_camera = 250;   ///< pixels: rather a second row than cameras narrower than this

  /// The threshold of a road class by its name ("stopline", "StopLine", "stop_line" are one).
  float threshold_of(const std::string& road_class) const;
};

/// A BEV feature map reduced to one value a cell: the L2 norm over its channels.
struct FeaturePanel {
  std::string title;
  Raster<float> norm;  ///< [1,H,W] over the grid; NaN where the frame has nothing to say
};
/// From sample `sample` of a feature [N,C,H,W]; `valid` [N,1,H,W] or undefined: cells where it is 0 become NaN.
FeaturePanel feature_panel(const std::string& title, const Tensor& feature, int64_t sample, const Tensor& valid = {});

/// A line or an outline on the ground, in the ego frame.
struct GroundMark {
  std::vector<Vec2> points;
  bool closed = false;
  Color color;
};

/// An earlier frame, and where its ground lies now.
struct PastFrame {
  double age = 0;  ///< seconds
  GroundWarp to_now;
  Tensor points;  ///< as SamplePicture::points
  std::vector<GroundMark> marks;
};

/// A view of the ground from above that a task adds; `draw` may draw anything on it.
struct GroundPanel {
  std::string title;
  std::function<void(class BevView& view)> draw;
  std::vector<std::pair<std::string, Color>> legend = {};  ///< what its areas are, under its title
};

struct SamplePicture {
  std::string title;
  LabelSchema labels;
  std::vector<CameraPicture> cameras;
  Tensor points;                         ///< float32 [P,4] in the ego frame, or undefined
  std::vector<GroundMark> camera_marks;  ///< drawn onto the cameras' ground
  bool ground_grid = false;              ///< lines every 5 m on the cameras' ground
  std::vector<PastFrame> past;           ///< a panel of its own, where there are any
  bool has_prediction = true;          ///< false: nobody has predicted anything, which differs from "nothing was found"
  EvaluationFrame frame;               ///< predictions and labels; what is empty is left out
  std::vector<GroundPanel> panels;     ///< of tasks, beside label and prediction
  std::vector<FeaturePanel> features;  ///< current, warped history frames, mixed
  Raster<float> fusion_weights;        ///< [1 + history,H,W], or empty
  std::vector<std::string> weight_titles;
};

/// Where there are features, its comment is a JSON object of where they are: width, height, history: [{title, x, y, w,
/// h}] in pixels.
Canvas draw_sample(const SamplePicture& picture, const DrawingOptions& options);

/// Metres above the ground between which the LiDAR's points are coloured.
inline constexpr double kLowestPoint = -0.5, kHighestPoint = 2.5;

/// Single panels, for reports and stitched maps.
void draw_label(class BevView& view, const SamplePicture& picture);
void draw_prediction(class BevView& view, const SamplePicture& picture, const DrawingOptions& options);
void draw_difference(class BevView& view, const SamplePicture& picture, const DrawingOptions& options);
void draw_lidar(class BevView& view, const SamplePicture& picture, const DrawingOptions& options);
/// Marks and points above the ground of earlier frames where their poses put them, by age: what stands still lies on
/// itself.
void draw_past(class BevView& view, const SamplePicture& picture);
/// Values of one plane as a heat map from `low` to `high`.
void draw_heat(class BevView& view, std::span<const float> plane, int64_t rows, int64_t columns, double low,
               double high);

}  // namespace bevgrad
