// What is said of a frame: objects as a line of JSON, rasters as a small HDF5 file.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "configs/document.h"
#include "evaluation/evaluator.h"
#include "train/frame_stream.h"

namespace bevgrad {

/// Rasters, instances and boxes as the tasks decode them.
EvaluationFrame predictions_of(const PlayedFrame& frame, const TaskList& tasks);

/// "lanes": class, score, points; "instances": class, score, x, y, w, h, angle; "boxes": class, score, x, y, z, l, w,
/// h, yaw, vx, vy; "track" of boxes where they have been followed; with tasks.attribute_task, "attributes" of lanes and
/// boxes: the likeliest value of every kind that is said of the class. Metres, radians and m/s in the ego frame. Lanes
/// and instances are there where a task gives a raster of lanes, boxes always.
nlohmann::ordered_json objects_json(const EvaluationFrame& predictions, const EvaluationOptions& options);

/// `lane` and `road`: uint8 [1,classes,H,W], probability times 255; and what each task decodes, float32.
void write_rasters(const std::string& path, const EvaluationFrame& predictions, const PlayedFrame& frame,
                   const TaskList& tasks);

}  // namespace bevgrad
