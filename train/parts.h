// The parts that a config chooses by name, as tables of rows that `main` passes down. A row is a name, what makes the
// part, and what judges its options; a program of one's own adds rows to standard_parts() (docs/extending.md).
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "configs/judge.h"
#include "export/onnx_parts.h"
#include "models/network_parts.h"
#include "optim/lr_schedule.h"
#include "optim/optimizer.h"
#include "tasks/task.h"

namespace bevgrad {

template <class Make>
struct PartKind;

/// `make` is a plain function: a row holds no state.
template <class Result, class... Args>
struct PartKind<Result(Args...)> {
  std::string name;
  Result (*make)(Args...);
  /// Refuses impossible options, with the place where they were written. Null: there is nothing to judge but what the
  /// schema judges.
  void (*judge)(const configs::Judge& judge, const config::Config& proto) = nullptr;
};

/// A part of the network says besides what it is as nodes of an ONNX graph. Null: it has no form there, and `bevgrad
/// export` refuses it by its name.
template <class Make, class ToOnnx>
struct NetworkPartKind;

template <class Result, class... Args, class ToOnnx>
struct NetworkPartKind<Result(Args...), ToOnnx> {
  std::string name;
  Result (*make)(Args...);
  void (*judge)(const configs::Judge& judge, const config::Config& proto) = nullptr;
  ToOnnx* to_onnx = nullptr;
};

/// `network.backbone`; made once for each camera group.
using BackboneKind = NetworkPartKind<std::unique_ptr<Backbone>(const NetworkOptions&, const CameraGroupNetwork&,
                                                               const config::Network&, Generator&),
                                     OnnxBackbone>;
/// `network.neck`; made once for each camera group, for a backbone's channels.
using NeckKind = NetworkPartKind<std::unique_ptr<Neck>(const NetworkOptions&, const std::vector<int64_t>& in_channels,
                                                       const config::Network&, Generator&),
                                 OnnxNeck>;
/// A view transform in ONNX, and what its inputs are for given calibrations.
struct OnnxViewForm {
  OnnxViewTransform* nodes;
  NamedTensors (*inputs)(const NetworkOptions&, const config::Network&, const std::vector<std::vector<Camera>>& rigs);
};
/// `network.view_transform`
using ViewTransformKind =
    NetworkPartKind<std::unique_ptr<ViewTransform>(const NetworkOptions&, const config::Network&, Generator&),
                    const OnnxViewForm>;
/// `temporal.fusion`
using TemporalFusionKind =
    NetworkPartKind<std::unique_ptr<TemporalFusion>(const NetworkOptions&, const config::Temporal&, Generator&),
                    OnnxTemporalFusion>;
/// `train.optimizer`
using OptimizerKind = PartKind<std::unique_ptr<Optimizer>(const config::Train&)>;
/// `train.lr_schedule`
using LrScheduleKind = PartKind<LrSchedule(const config::Train&)>;

struct Parts {
  std::vector<TaskKind> tasks;
  std::vector<BackboneKind> backbones;
  std::vector<NeckKind> necks;
  std::vector<ViewTransformKind> view_transforms;
  std::vector<TemporalFusionKind> temporal_fusions;
  std::vector<OptimizerKind> optimizers;
  std::vector<LrScheduleKind> lr_schedules;
};

/// What this project has: the tasks static, dynamic, vectors, depth, occupancy and attributes; ResNet,
/// BottleneckResNet, RegNet, EfficientNetLite and ConvNeXt; FPN and GeneralizedLSSFPN; ViewTransfer, LiftSplat,
/// DeformableAttention and GKT; VGGBlock and ConvGRU; the optimizers and schedules of optim/. A row that a program adds
/// under a name that is there takes the other's place.
Parts standard_parts();

/// Throws UsageError in one line for a name that is in no table, listing the known and the near ones, and for options
/// that the chosen rows refuse.
void judge_parts(const configs::Document& document, const Parts& parts);

/// Who makes the parts of the network that the config names: for Network's constructor. Throws UsageError as
/// judge_parts does.
NetworkParts network_parts(const configs::Document& document, const Parts& parts);
/// What these parts are in ONNX. Throws UsageError as judge_parts does, and in one line for a part that has no form
/// there.
OnnxParts onnx_parts(const configs::Document& document, const Parts& parts);
/// The optimizer and the schedule that the config names. Throw UsageError as judge_parts does.
std::unique_ptr<Optimizer> make_optimizer(const configs::Document& document, const Parts& parts);
LrSchedule make_lr_schedule(const configs::Document& document, const Parts& parts);

/// The train and the fine-tune phase of a config: what a schedule is made of.
std::vector<LrPhase> lr_phases(const config::Train& train);

}  // namespace bevgrad
