// tasks/ holds what the network is asked for, one folder a task: its head, what it learns and by which loss, how its
// maps become objects, and what it adds to evaluation and pictures. Not here: the encoder (models/), metrics
// (evaluation/), panels (drawing/), the training loop (train/).
//
// This file: what a task is to the rest of the program, and the row by which a program gets to know it.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "configs/document.h"
#include "configs/judge.h"
#include "data/batch.h"
#include "data/check/check_dataset.h"
#include "drawing/sample_picture.h"
#include "evaluation/evaluator.h"
#include "export/onnx_map.h"
#include "models/head.h"
#include "models/network_output.h"
#include "tasks/task_metric.h"
#include "tensor/random.h"

namespace bevgrad {

/// A term of a task's loss.
struct LossTerm {
  std::string name;   ///< "lane_focal"; logged as "<task>/<name>"
  double weight = 1;  ///< within the task; 0: the term is logged and not learned
  Tensor value;       ///< a scalar on the tape, not weighted
};

/// A task that a config switches on. It keeps what it needs of the config; all functions may be called from several
/// threads.
class Task {
 public:
  virtual ~Task() = default;

  /// With fresh weights; `channels` are those of the BEV feature. Not asked of a task whose row names no module.
  virtual std::unique_ptr<Head> make_head(int64_t /*channels*/, Generator&) const { return nullptr; }

  /// Of the sum of its terms in the loss of a step.
  virtual double weight() const { return 1; }
  virtual std::vector<LossTerm> losses(const NetworkOutput& output, const Batch& batch) const = 0;
  /// Puts into batch.targets what losses() would else make of the batch's objects, on `device`.
  virtual void add_targets(Batch& /*batch*/, Device /*device*/) const {}
  /// Whether losses() of a batch with its targets, and the head, are the same work on its tensors every time, whatever
  /// their values, so that a GPU may record and replay it.
  virtual bool is_recordable() const { return false; }
  /// Whether it trains on a list of the config.
  virtual bool takes(const config::ListGroup&) const { return true; }
  /// Which labels it needs, for a check of the data.
  virtual void add_to_check(CheckOptions&) const {}

  /// What is decoded from the head's maps, [N,...]: `predict` writes it beside the maps.
  virtual NamedTensors decode(const NetworkOutput&) const { return {}; }
  /// The head as nodes of an ONNX graph: its maps under their public names. Empty: it has no form there.
  virtual OnnxMaps export_head(OnnxLayers&, const OnnxMap& /*feature*/) const { return {}; }
  /// What is predicted for sample `n`, where evaluation/ knows it: rasters, instances, boxes. `output` is on the CPU.
  virtual void add_predictions(EvaluationFrame&, const NetworkOutput&, int64_t /*n*/) const {}
  /// Predictions and labels of sample `n`, for the metrics of evaluation/ and for pictures. `output` is on the CPU.
  virtual void add_to_frame(EvaluationFrame&, const NetworkOutput&, const Batch&, int64_t /*n*/) const {}
  /// Panels and the like of sample `n`.
  virtual void add_to_picture(SamplePicture&, const NetworkOutput&, const Batch&, int64_t /*n*/) const {}
  /// A metric that evaluation/ does not have; null: none.
  virtual std::unique_ptr<TaskMetric> make_metric() const { return nullptr; }
  /// What a person wants to see of a table of the evaluation at the end of a validation.
  virtual std::vector<Table> overview(const Table&) const { return {}; }
};

/// A row of the table of tasks. Its functions are plain ones: a row holds no state. What is null is left out.
struct TaskKind {
  std::string name;  ///< of its loss terms, loader and sampler: "static"
  /// Of its head: the first part of its parameters' names, "bev_static_head". Empty: it has none and learns from what
  /// the encoder gives.
  std::string module;
  const char* input = kBevFused;  ///< the map that the head takes: kBevFused, or kBevTemporal, which uses the history
  /// The task, or null where the config leaves it off.
  std::unique_ptr<Task> (*make)(const configs::Document& document) = nullptr;
  /// Refuses options that the schema allows and the task does not, with the place where they were written, whether the
  /// task is on or off.
  void (*judge)(const configs::Judge& judge, const config::Config& proto) = nullptr;
  /// What of its frames evaluation/ counts, and how drawing/ shows them: for runs, and for `eval`, which has no
  /// network.
  void (*add_to_evaluation)(EvaluationOptions& options, const config::Config& proto) = nullptr;
  void (*add_to_drawing)(DrawingOptions& options, const config::Config& proto) = nullptr;
};

/// The tasks that this project has: static_map, dynamic_boxes, vector_map, depth, occupancy, attributes. What a task
/// adds to the objects of another comes after it.
std::vector<TaskKind> standard_tasks();

}  // namespace bevgrad
