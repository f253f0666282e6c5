#include "train/parts.h"

#include <fmt/ranges.h>

#include <cmath>

#include "base/near_names.h"
#include "export/stages.h"
#include "internal/backbones.h"
#include "internal/view_transforms.h"
#include "optim/adafactor.h"
#include "optim/adam.h"
#include "optim/adamw.h"
#include "optim/cosine.h"
#include "optim/lion.h"
#include "optim/multistep.h"
#include "optim/muon.h"
#include "optim/rmsprop.h"
#include "optim/schedules.h"
#include "optim/sgd.h"
#include "tasks/task_list.h"

namespace bevgrad {
namespace {

/// The row that the field at `path` names (the last of that name), judged.
template <class Kind>
const Kind& chosen(const std::vector<Kind>& table, const std::string& name, const char* path,
                   const configs::Document& document) {
  const configs::Judge judge(document);
  std::vector<std::string> known;
  const Kind* found = nullptr;
  for (const Kind& kind : table) {
    known.push_back(kind.name);
    if (kind.name == name) found = &kind;
  }
  if (found) {
    if (found->judge) found->judge(judge, document.proto);
    return *found;
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

void judge_generalized_lss_fpn(const configs::Judge& judge, const config::Config& proto) {
  for (int g = 0; g < proto.sensors().groups_size(); ++g)
    judge.require(proto.sensors().groups(g).taps_size() >= 2, fmt::format("sensors.groups[{}].taps", g),
                  "GeneralizedLSSFPN joins levels, expected two taps or more");
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

std::unique_ptr<Optimizer> make_adam(const config::Train& train) {
  return std::make_unique<Adam>(AdamOptions{
      .beta1 = train.beta1(), .beta2 = train.beta2(), .eps = train.eps(), .weight_decay = train.weight_decay()});
}

std::unique_ptr<Optimizer> make_rmsprop(const config::Train& train) {
  return std::make_unique<RmsProp>(RmsPropOptions{.alpha = train.rmsprop().alpha(),
                                                  .eps = train.eps(),
                                                  .weight_decay = train.weight_decay(),
                                                  .momentum = train.rmsprop().momentum(),
                                                  .centered = train.rmsprop().centered()});
}

std::unique_ptr<Optimizer> make_lion(const config::Train& train) {
  return std::make_unique<Lion>(
      LionOptions{.beta1 = train.lion().beta1(), .beta2 = train.lion().beta2(), .weight_decay = train.weight_decay()});
}

std::unique_ptr<Optimizer> make_muon(const config::Train& train) {
  const AdamWOptions others{
      .beta1 = train.beta1(), .beta2 = train.beta2(), .eps = train.eps(), .weight_decay = train.weight_decay()};
  return std::make_unique<Muon>(MuonOptions{.momentum = train.muon().momentum(),
                                            .nesterov = train.muon().nesterov(),
                                            .weight_decay = train.weight_decay(),
                                            .ns_steps = train.muon().ns_steps(),
                                            .match_adamw = train.muon().match_adamw(),
                                            .adamw = others});
}

std::unique_ptr<Optimizer> make_adafactor(const config::Train& train) {
  return std::make_unique<Adafactor>(AdafactorOptions{.beta2_decay = train.adafactor().beta2_decay(),
                                                      .eps2 = train.adafactor().eps2(),
                                                      .d = train.adafactor().d(),
                                                      .weight_decay = train.weight_decay()});
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

LrSchedule make_step(const config::Train& train) {
  return step_lr(lr_phases(train), train.step().step_size(), train.step().gamma());
}

LrSchedule make_exponential(const config::Train& train) {
  return exponential_lr(lr_phases(train), train.exponential().gamma());
}

LrSchedule make_cosine_restarts(const config::Train& train) {
  const config::CosineRestarts& options = train.cosine_restarts();
  return cosine_restarts_lr(lr_phases(train), options.period(), options.multiplier(), options.min_share());
}

LrSchedule make_one_cycle(const config::Train& train) {
  const config::OneCycle& options = train.one_cycle();
  return one_cycle_lr(lr_phases(train), {.pct_start = options.pct_start(),
                                         .div_factor = options.div_factor(),
                                         .final_div_factor = options.final_div_factor(),
                                         .linear = options.linear()});
}

LrSchedule make_polynomial(const config::Train& train) {
  return polynomial_lr(lr_phases(train), train.polynomial().power());
}

LrSchedule make_wsd(const config::Train& train) {
  return wsd_lr(lr_phases(train), train.wsd().decay_share(), train.wsd().min_share());
}

}  // namespace

Parts standard_parts() {
  return {
      .tasks = standard_tasks(),
      .backbones = standard_backbones(),
      .necks = {{"FPN",
                 [](const NetworkOptions& options, const std::vector<int64_t>& in_channels, const config::Network&,
                    Generator& generator) { return make_fpn(options, in_channels, generator); },
                 nullptr, export_fpn},
                {"GeneralizedLSSFPN",
                 [](const NetworkOptions& options, const std::vector<int64_t>& in_channels, const config::Network&,
                    Generator& generator) { return make_generalized_lss_fpn(options, in_channels, generator); },
                 judge_generalized_lss_fpn, export_generalized_lss_fpn}},
      .view_transforms = standard_view_transforms(),
      .temporal_fusions = {{"VGGBlock",
                            [](const NetworkOptions& options, const config::Temporal&, Generator& generator) {
                              return make_vgg_block_fusion(options, generator);
                            },
                            nullptr, export_vgg_block_fusion},
                           {"ConvGRU",
                            [](const NetworkOptions& options, const config::Temporal&, Generator& generator) {
                              return make_conv_gru_fusion(options, generator);
                            },
                            nullptr, export_conv_gru_fusion}},
      .optimizers = {{"AdamW", make_adamw},
                     {"SGD", make_sgd},
                     {"Adam", make_adam},
                     {"RMSprop", make_rmsprop},
                     {"Lion", make_lion},
                     {"Muon", make_muon},
                     {"Adafactor", make_adafactor}},
      .lr_schedules = {{"multistep", make_multistep},
                       {"cosine", make_cosine},
                       {"step", make_step},
                       {"exponential", make_exponential},
                       {"cosine_restarts", make_cosine_restarts},
                       {"one_cycle", make_one_cycle},
                       {"polynomial", make_polynomial},
                       {"wsd", make_wsd}},
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

OnnxParts onnx_parts(const configs::Document& document, const Parts& parts) {
  const configs::Judge judge(document);
  const auto form = [&](const auto& kind, const char* path) {
    if (kind.to_onnx == nullptr) judge.refuse(path, fmt::format("\"{}\" has no form in ONNX", kind.name));
    return kind.to_onnx;
  };
  const bool temporal = document.proto.tasks().enable_static_temporal();
  if (document.proto.tasks().enable_lidar() && document.proto.network().lidar().dynamic())
    judge.refuse("network.lidar.dynamic", "dynamic pillars have no form in ONNX");
  const OnnxViewForm& view = *form(view_transform_kind(document, parts), "network.view_transform");
  return {form(backbone_kind(document, parts), "network.backbone"), form(neck_kind(document, parts), "network.neck"),
          view.nodes,
          [inputs = view.inputs, network = document.proto.network()](const auto& options, const auto& rigs) {
            return inputs(options, network, rigs);
          },
          temporal ? form(temporal_fusion_kind(document, parts), "temporal.fusion") : nullptr};
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
