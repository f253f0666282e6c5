#include "train/parts.h"

#include <fmt/ranges.h>

#include "base/near_names.h"
#include "optim/adamw.h"
#include "optim/cosine.h"
#include "optim/multistep.h"
#include "optim/sgd.h"
#include "tasks/task_list.h"

namespace bevgrad {
namespace {

/// The row that the field at `path` names, judged.
template <class Kind>
const Kind& chosen(const std::vector<Kind>& table, const std::string& name, const char* path,
                   const configs::Document& document) {
  const configs::Judge judge(document);
  std::vector<std::string> known;
  for (const Kind& kind : table) {
    known.push_back(kind.name);
    if (kind.name != name) continue;
    if (kind.judge) kind.judge(judge, document.proto);
    return kind;
  }
  judge.refuse(path, fmt::format("there is no \"{}\", expected one of {}{}", name, fmt::join(known, ", "),
                                 did_you_mean(name, known)));
}

const OptimizerKind& optimizer_kind(const configs::Document& document, const Parts& parts) {
  return chosen(parts.optimizers, document.proto.train().optimizer(), "train.optimizer", document);
}

const LrScheduleKind& lr_schedule_kind(const configs::Document& document, const Parts& parts) {
  return chosen(parts.lr_schedules, document.proto.train().lr_schedule(), "train.lr_schedule", document);
}

const BackboneKind& backbone_kind(const configs::Document& document, const Parts& parts) {
  return chosen(parts.backbones, document.proto.network().backbone(), "network.backbone", document);
}

const NeckKind& neck_kind(const configs::Document& document, const Parts& parts) {
  return chosen(parts.necks, document.proto.network().neck(), "network.neck", document);
}

const ViewTransformKind& view_transform_kind(const configs::Document& document, const Parts& parts) {
  return chosen(parts.view_transforms, document.proto.network().view_transform(), "network.view_transform", document);
}

const TemporalFusionKind& temporal_fusion_kind(const configs::Document& document, const Parts& parts) {
  return chosen(parts.temporal_fusions, document.proto.temporal().fusion(), "temporal.fusion", document);
}

std::unique_ptr<Optimizer> make_adamw(const config::Train& train) {
  return std::make_unique<AdamW>(AdamWOptions{
      .beta1 = train.beta1(), .beta2 = train.beta2(), .eps = train.eps(), .weight_decay = train.weight_decay()});
}

std::unique_ptr<Optimizer> make_sgd(const config::Train& train) {
  return std::make_unique<Sgd>(SgdOptions{.momentum = train.sgd().momentum(),
                                          .dampening = train.sgd().dampening(),
                                          .weight_decay = train.weight_decay(),
                                          .nesterov = train.sgd().nesterov()});
}

LrSchedule make_multistep(const config::Train& train) {
  const std::vector<LrPhase> phases = lr_phases(train);
  PhaseMilestones milestones;
  for (const double milestone : train.train_milestones())
    milestones.train.push_back(milestone_step(milestone, phases[0].steps));
  for (const double milestone : train.finetune_milestones())
    milestones.finetune.push_back(milestone_step(milestone, phases[1].steps));
  const MultistepSchedule schedule =
      get_multistep_gamma_lr(milestones, phases[0].steps, phases[1].steps, train.gamma(), {phases[0].lr, phases[1].lr});
  return [schedule](int64_t step) { return schedule.lr_at(step); };
}

LrSchedule make_cosine(const config::Train& train) {
  return cosine_lr(lr_phases(train), train.cosine().min_share());
}

}  // namespace

Parts standard_parts() {
  return {
      .tasks = standard_tasks(),
      .backbones = {{"ResNet",
                     [](const NetworkOptions& options, const CameraGroupNetwork& group, const config::Network&,
                        Generator& generator) { return make_resnet(options, group, generator); }}},
      .necks = {{"FPN",
                 [](const NetworkOptions& options, const std::vector<int64_t>& in_channels, const config::Network&,
                    Generator& generator) { return make_fpn(options, in_channels, generator); }}},
      .view_transforms = {{"ViewTransfer",
                           [](const NetworkOptions& options, const config::Network&, Generator& generator) {
                             return make_view_transfer(options, generator);
                           }}},
      .temporal_fusions = {{"VGGBlock", [](const NetworkOptions& options, const config::Temporal&,
                                           Generator& generator) { return make_vgg_block_fusion(options, generator); }},
                           {"ConvGRU", [](const NetworkOptions& options, const config::Temporal&,
                                          Generator& generator) { return make_conv_gru_fusion(options, generator); }}},
      .optimizers = {{"AdamW", make_adamw}, {"SGD", make_sgd}},
      .lr_schedules = {{"multistep", make_multistep}, {"cosine", make_cosine}},
  };
}

void judge_parts(const configs::Document& document, const Parts& parts) {
  network_parts(document, parts);
  optimizer_kind(document, parts);
  lr_schedule_kind(document, parts);
}

NetworkParts network_parts(const configs::Document& document, const Parts& parts) {
  const config::Network& network = document.proto.network();
  const config::Temporal& temporal = document.proto.temporal();
  NetworkParts made;
  made.heads = TaskList(parts.tasks, document).heads();
  made.backbone = [make = backbone_kind(document, parts).make, network](const auto& options, const auto& group,
                                                                        Generator& generator) {
    return make(options, group, network, generator);
  };
  made.neck = [make = neck_kind(document, parts).make, network](const auto& options, const auto& in_channels,
                                                                Generator& generator) {
    return make(options, in_channels, network, generator);
  };
  made.view_transform = [make = view_transform_kind(document, parts).make, network](
                            const auto& options, Generator& generator) { return make(options, network, generator); };
  made.temporal_fusion = [make = temporal_fusion_kind(document, parts).make, temporal](
                             const auto& options, Generator& generator) { return make(options, temporal, generator); };
  return made;
}

std::unique_ptr<Optimizer> make_optimizer(const configs::Document& document, const Parts& parts) {
  return optimizer_kind(document, parts).make(document.proto.train());
}

LrSchedule make_lr_schedule(const configs::Document& document, const Parts& parts) {
  const config::Train& train = document.proto.train();
  if (train.train_steps() + train.finetune_steps() == 0)
    throw UsageError(
        fmt::format("{}: fields \"train.train_steps\" and \"train.finetune_steps\" are both 0: nothing to train",
                    document.place("train.train_steps")));
  return lr_schedule_kind(document, parts).make(train);
}

std::vector<LrPhase> lr_phases(const config::Train& train) {
  const double finetune_lr = train.finetune_lr() > 0 ? train.finetune_lr() : train.base_lr();
  return {{train.train_steps(), train.base_lr()}, {train.finetune_steps(), finetune_lr}};
}

}  // namespace bevgrad
