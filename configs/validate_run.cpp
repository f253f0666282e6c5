// The half of validate() that judges training, data, evaluation, drawing and the generator.
#include <algorithm>
#include <cmath>
#include <tuple>

#include "base/near_names.h"
#include "configs/judge.h"

namespace bevgrad::configs {
namespace {

using google::protobuf::RepeatedField;

void judge_class_weights(const Judge& judge, const std::string& field, const RepeatedField<double>& weights,
                         int classes) {
  judge.require(weights.empty() || weights.size() == classes, field, "{} values for {} classes", weights.size(),
                classes);
  for (int i = 0; i < weights.size(); ++i) judge.not_negative(fmt::format("{}[{}]", field, i), weights[i]);
}

void judge_loss(const Judge& judge, const config::Config& proto) {
  const config::Loss& loss = proto.loss();
  judge.within("loss.focal_alpha", loss.focal_alpha(), 0.0, 1.0);
  judge.within("loss.focal_gamma", loss.focal_gamma(), 0.0, 16.0);
  const std::pair<const char*, double> weights[] = {{"loss.static_weight", loss.static_weight()},
                                                    {"loss.dynamic_weight", loss.dynamic_weight()},
                                                    {"loss.lane_focal", loss.lane_focal()},
                                                    {"loss.lane_dice", loss.lane_dice()},
                                                    {"loss.lane_any_focal", loss.lane_any_focal()},
                                                    {"loss.lane_any_dice", loss.lane_any_dice()},
                                                    {"loss.road_focal", loss.road_focal()},
                                                    {"loss.road_dice", loss.road_dice()},
                                                    {"loss.instance_heatmap", loss.instance_heatmap()},
                                                    {"loss.instance_box", loss.instance_box()},
                                                    {"loss.dynamic_heatmap", loss.dynamic_heatmap()},
                                                    {"loss.dynamic_box", loss.dynamic_box()}};
  for (const auto& [field, weight] : weights) judge.not_negative(field, weight);
  const config::StaticHead& head = proto.network().static_head();
  judge_class_weights(judge, "loss.lane_class_weights", loss.lane_class_weights(), head.lane_classes_size());
  judge_class_weights(judge, "loss.road_class_weights", loss.road_class_weights(), head.road_classes_size());
}

void judge_milestones(const Judge& judge, const std::string& field, const RepeatedField<double>& milestones,
                      int64_t steps) {
  judge.increasing(field, milestones);
  for (int i = 0; i < milestones.size(); ++i) {
    const std::string at = fmt::format("{}[{}]", field, i);
    judge.positive(at, milestones[i]);
    judge.require(steps == 0 || milestones[i] <= 1 || milestones[i] <= static_cast<double>(steps), at,
                  "{} lies past the phase's {} steps", milestones[i], steps);
    judge.require((milestones[i] > 1) == (milestones[0] > 1), at,
                  "{} and {} are a fraction and a number of steps, expected one kind", milestones[0], milestones[i]);
  }
}

void judge_optimizer(const Judge& judge, const config::Train& train) {
  judge.positive("train.base_lr", train.base_lr());
  judge.not_negative("train.finetune_lr", train.finetune_lr());
  judge.not_negative("train.weight_decay", train.weight_decay());
  judge.require(train.beta1() >= 0 && train.beta1() < 1, "train.beta1", "{} is impossible, expected 0 to below 1",
                train.beta1());
  judge.require(train.beta2() >= 0 && train.beta2() < 1, "train.beta2", "{} is impossible, expected 0 to below 1",
                train.beta2());
  judge.positive("train.eps", train.eps());
  judge.require(train.sgd().momentum() >= 0 && train.sgd().momentum() < 1, "train.sgd.momentum",
                "{} is impossible, expected 0 to below 1", train.sgd().momentum());
  judge.probability("train.sgd.dampening", train.sgd().dampening());
  judge.require(!train.sgd().nesterov() || (train.sgd().momentum() > 0 && train.sgd().dampening() == 0),
                "train.sgd.nesterov", "needs momentum above 0 and no dampening");
  judge.probability("train.cosine.min_share", train.cosine().min_share());
  judge.not_negative("train.grad_clip_norm", train.grad_clip_norm());
  judge.not_negative("train.grad_clip_value", train.grad_clip_value());
  judge.require(train.ema_decay() >= 0 && train.ema_decay() < 1, "train.ema_decay",
                "{} is impossible, expected 0 to below 1", train.ema_decay());
  judge.require(train.skip_loss_factor() == 0 || train.skip_loss_factor() > 1, "train.skip_loss_factor",
                "{} is impossible, expected 0 or above 1", train.skip_loss_factor());
  judge.count("train.max_skipped_steps", train.max_skipped_steps(), 0, 1 << 30);
  judge.positive("train.gamma", train.gamma());
  std::set<std::string> prefixes;
  for (int i = 0; i < train.group_lr_scale_size(); ++i) {
    const std::string at = fmt::format("train.group_lr_scale[{}]", i);
    judge.require(!train.group_lr_scale(i).prefix().empty(), at + ".prefix", "the prefix is empty");
    judge.require(prefixes.insert(train.group_lr_scale(i).prefix()).second, at + ".prefix", "\"{}\" is there twice",
                  train.group_lr_scale(i).prefix());
    judge.not_negative(at + ".scale", train.group_lr_scale(i).scale());
  }
}

void judge_train(const Judge& judge, const config::Train& train) {
  constexpr int64_t most = int64_t{1} << 40;
  judge_optimizer(judge, train);
  judge.count("train.warmup_steps", train.warmup_steps(), 0, most);
  judge.count("train.train_steps", train.train_steps(), 0, most);
  judge.count("train.finetune_steps", train.finetune_steps(), 0, most);
  judge_milestones(judge, "train.train_milestones", train.train_milestones(), train.train_steps());
  judge_milestones(judge, "train.finetune_milestones", train.finetune_milestones(), train.finetune_steps());
  judge.count("train.num_train_cases", train.num_train_cases(), 0, most);
  judge.count("train.num_finetune_cases", train.num_finetune_cases(), 0, most);
  for (int i = 0; i < train.freeze_module_schedules_size(); ++i) {
    const std::string at = fmt::format("train.freeze_module_schedules[{}]", i);
    judge.require(!train.freeze_module_schedules(i).module().empty(), at + ".module", "the name is empty");
    judge.count(at + ".steps", train.freeze_module_schedules(i).steps(), 0, most);
  }
  judge.count("train.accumulate_grad_batches", train.accumulate_grad_batches(), 1, 65536);
  judge.count("train.batch_size", train.batch_size(), 1, 65536);
  judge.count("train.num_workers", train.num_workers(), 0, 1024);
  judge.count("train.checkpoint_interval", train.checkpoint_interval(), 0, most);
  judge.count("train.keep_checkpoints", train.keep_checkpoints(), 1, 100000);
  judge.count("train.val_interval", train.val_interval(), 0, most);
  judge.require(train.checkpoint_metric().empty() || train.val_interval() > 0, "train.checkpoint_metric",
                "needs train.val_interval: without validations there is no \"{}\"", train.checkpoint_metric());
  judge.count("train.early_stop_patience", train.early_stop_patience(), 0, 1 << 30);
  judge.require(train.early_stop_patience() == 0 || !train.checkpoint_metric().empty(), "train.early_stop_patience",
                "needs train.checkpoint_metric: what it waits for");
  judge.count("train.histogram_interval", train.histogram_interval(), 0, most);
  judge.count("train.log_interval", train.log_interval(), 1, most);
  judge.require(!train.output_checkpoint().empty() && train.output_checkpoint().find('/') == std::string::npos,
                "train.output_checkpoint", "\"{}\" is no file name", train.output_checkpoint());
}

template <class Groups>
void judge_lists(const Judge& judge, const std::string& field, const Groups& groups) {
  std::set<std::string> names;
  for (int i = 0; i < groups.size(); ++i) {
    const std::string at = fmt::format("{}[{}]", field, i);
    judge.require(!groups[i].name().empty(), at + ".name", "the name is empty");
    judge.require(names.insert(groups[i].name()).second, at + ".name", "\"{}\" is there twice", groups[i].name());
    judge.require(groups[i].lists_size() > 0, at + ".lists", "\"{}\" names no list", groups[i].name());
    judge.require(groups[i].dynamic_task() || groups[i].static_task(), at, "\"{}\" belongs to no task",
                  groups[i].name());
    for (int j = 0; j < groups[i].lists_size(); ++j)
      judge.require(!groups[i].lists(j).empty(), fmt::format("{}.lists[{}]", at, j), "the file name is empty");
  }
}

void judge_data(const Judge& judge, const config::Data& data) {
  judge.require(!data.root().empty(), "data.root", "the folder's name is empty");
  judge.require(!data.lmdb().empty(), "data.lmdb", "the file name is empty");
  judge_lists(judge, "data.train", data.train());
  judge_lists(judge, "data.val", data.val());
  judge.not_negative("data.frame_rate", data.frame_rate());
  judge.not_negative("data.max_gap", data.max_gap());
  judge.count("data.chunk_frames", data.chunk_frames(), 0, 1 << 20);
}

void judge_eval(const Judge& judge, const config::Eval& eval, const config::StaticHead& head) {
  judge.count("eval.batch_size", eval.batch_size(), 1, 65536);
  for (int i = 0; i < eval.series_eval_conf_size(); ++i)
    judge.probability(fmt::format("eval.series_eval_conf[{}]", i), eval.series_eval_conf(i));
  judge.positive("eval.series_dis_thresh", eval.series_dis_thresh());
  std::set<std::string> names;
  for (int i = 0; i < eval.ranges_size(); ++i) {
    const config::EvalRange& range = eval.ranges(i);
    const std::string at = fmt::format("eval.ranges[{}]", i);
    judge.require(!range.name().empty(), at + ".name", "the name is empty");
    judge.require(names.insert(range.name()).second, at + ".name", "\"{}\" is there twice", range.name());
    judge.require(range.y_min() < range.y_max(), at + ".y_max", "{} is not above y_min {}", range.y_max(),
                  range.y_min());
    judge.require(range.x_min() < range.x_max(), at + ".x_max", "{} is not above x_min {}", range.x_max(),
                  range.x_min());
  }
  // Wall and Curb, the default, need not be among the classes of a config that has others.
  const std::vector<std::string> classes(head.road_classes().begin(), head.road_classes().end());
  for (int i = 0; i < eval.line_classes_size(); ++i) {
    const std::string& name = eval.line_classes(i);
    judge.require(std::find(classes.begin(), classes.end(), name) != classes.end() || name == "Wall" || name == "Curb",
                  fmt::format("eval.line_classes[{}]", i), "\"{}\" is none of road_classes{}", name,
                  did_you_mean(name, classes));
  }
  judge.probability("eval.instance_iou", eval.instance_iou());
  judge.probability("eval.iou_threshold", eval.iou_threshold());
  judge.count("eval.max_pictures", eval.max_pictures(), 0, int64_t{1} << 40);
  judge.count("eval.max_samples", eval.max_samples(), 0, int64_t{1} << 40);
  const config::Perturb& perturb = eval.perturb();
  for (const auto& [field, values, most] : {std::tuple{"yaw", &perturb.yaw(), 180.0},
                                            {"pitch", &perturb.pitch(), 180.0},
                                            {"shift", &perturb.shift(), 100.0},
                                            {"delay", &perturb.delay(), 100.0}})
    for (int i = 0; i < values->size(); ++i)
      judge.require(std::abs(values->Get(i)) <= most && (values != &perturb.delay() || values->Get(i) >= 0),
                    fmt::format("eval.perturb.{}[{}]", field, i), "{} is impossible, expected {} to {}", values->Get(i),
                    values == &perturb.delay() ? 0 : -most, most);
}

void judge_drawing(const Judge& judge, const config::Drawing& drawing) {
  const std::pair<const char*, double> thresholds[] = {{"drawing.lane_threshold", drawing.lane_threshold()},
                                                       {"drawing.road_threshold", drawing.road_threshold()},
                                                       {"drawing.freespace_threshold", drawing.freespace_threshold()},
                                                       {"drawing.stopline_threshold", drawing.stopline_threshold()},
                                                       {"drawing.crosswalk_threshold", drawing.crosswalk_threshold()},
                                                       {"drawing.querylane_threshold", drawing.querylane_threshold()}};
  for (const auto& [field, threshold] : thresholds) judge.probability(field, threshold);
  judge.count("drawing.label_h", drawing.label_h(), 1, 8192);
  judge.count("drawing.label_w", drawing.label_w(), 1, 8192);
  judge.count("drawing.querylane_points_num", drawing.querylane_points_num(), 2, 10000);
  judge.count("drawing.temporal_visualization.history_frames", drawing.temporal_visualization().history_frames(), 0,
              16);
}

void judge_distributed(const Judge& judge, const config::Distributed& distributed) {
  judge.within("distributed.bucket_mb", distributed.bucket_mb(), 0.001, 4096.0);
  judge.within("distributed.timeout", distributed.timeout(), 0.1, 1e6);
}

void judge_generator(const Judge& judge, const config::Generator& generator) {
  judge.count("generator.sequences", generator.sequences(), 1, 1000000);
  judge.count("generator.val_sequences", generator.val_sequences(), 0, generator.sequences());
  judge.count("generator.frames", generator.frames(), 1, 100000);
  judge.positive("generator.frame_rate", generator.frame_rate());
  judge.require(generator.timestamp_jitter() >= 0 && generator.timestamp_jitter() * generator.frame_rate() < 0.5,
                "generator.timestamp_jitter", "{} s is impossible, expected 0 to half a frame's period",
                generator.timestamp_jitter());
  judge.require(generator.drop_rate() >= 0 && generator.drop_rate() < 1, "generator.drop_rate",
                "{} is impossible, expected 0 to below 1", generator.drop_rate());
  judge.not_negative("generator.pose_noise", generator.pose_noise());
  judge.not_negative("generator.yaw_noise", generator.yaw_noise());
  judge.count("generator.jpeg_quality", generator.jpeg_quality(), 1, 100);
  judge.count("generator.lidar_beams", generator.lidar_beams(), 1, 1024);
  judge.count("generator.lidar_points", generator.lidar_points(), 1, 10000000);
  judge.probability("generator.night", generator.night());
  judge.probability("generator.parking", generator.parking());
  judge.probability("generator.occluders", generator.occluders());
  judge.not_negative("generator.image_noise", generator.image_noise());
}

void judge_cache(const Judge& judge, const config::FeatureCache& cache) {
  judge.require(!cache.shuffle() || cache.enabled(), "feature_cache.shuffle",
                "needs feature_cache.enabled: without a cache a sample's history comes from the frames before it");
}

}  // namespace

void judge_run(const Judge& judge, const config::Config& proto) {
  judge_loss(judge, proto);
  judge_train(judge, proto.train());
  judge_data(judge, proto.data());
  judge_eval(judge, proto.eval(), proto.network().static_head());
  judge_drawing(judge, proto.drawing());
  judge_generator(judge, proto.generator());
  judge_distributed(judge, proto.distributed());
  judge_cache(judge, proto.feature_cache());
  judge.require(proto.train().val_interval() == 0 || proto.data().val_size() > 0, "train.val_interval",
                "there is no val set in data.val");
}

}  // namespace bevgrad::configs
