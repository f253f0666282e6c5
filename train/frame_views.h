// One frame of a batch with the network's decoded outputs, in the form that evaluation and drawing take.
#pragma once
#include <cstdint>
#include <string>

#include "configs/document.h"
#include "data/batch.h"
#include "drawing/sample_picture.h"
#include "evaluation/evaluator.h"
#include "models/network_io.h"
#include "tasks/task_list.h"

namespace bevgrad {

/// What is evaluated, and how it is drawn: the run's own options, and every task's.
EvaluationOptions evaluation_options(const config::Config& proto, const std::vector<TaskKind>& tasks);
DrawingOptions drawing_options(const config::Config& proto, const std::vector<TaskKind>& tasks);

/// What the tasks say of sample `n`, and its labels.
EvaluationFrame evaluation_frame(const Batch& batch, int64_t n, const NetworkOutput& output, const TaskList& tasks);

/// Everything that a picture of sample `n` shows; `frame` is what evaluation_frame gave. With an empty history the
/// features are left out.
SamplePicture sample_picture(const Batch& batch, int64_t n, const NetworkOutput& output, const History& history,
                             EvaluationFrame frame, const config::Config& proto, const TaskList& tasks);

/// Draws the first sample's current, warped and mixed features and the weights into `folder`/step_<step>.png.
void draw_temporal_debug(const std::string& folder, int64_t step, const config::Config& proto, const TaskList& tasks,
                         const Batch& batch, const NetworkOutput& output, const History& history);

}  // namespace bevgrad
