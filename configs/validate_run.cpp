// The half of validate() that judges training, data, evaluation, drawing and the generator.
#include <cmath>
#include <set>
#include <tuple>

#include "configs/judge.h"

namespace bevgrad::configs {
namespace {

using google::protobuf::RepeatedField;

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

void judge_schedules(const Judge& judge, const config::Train& train) {
  judge.count("train.step.step_size", train.step().step_size(), 1, int64_t{1} << 40);
  judge.positive("train.step.gamma", train.step().gamma());
  judge.positive("train.exponential.gamma", train.exponential().gamma());
  judge.count("train.cosine_restarts.period", train.cosine_restarts().period(), 1, int64_t{1} << 40);
  judge.count("train.cosine_restarts.multiplier", train.cosine_restarts().multiplier(), 1, 1 << 20);
  judge.probability("train.cosine_restarts.min_share", train.cosine_restarts().min_share());
  judge.probability("train.one_cycle.pct_start", train.one_cycle().pct_start());
  judge.positive("train.one_cycle.div_factor", train.one_cycle().div_factor());
  judge.positive("train.one_cycle.final_div_factor", train.one_cycle().final_div_factor());
  judge.positive("train.polynomial.power", train.polynomial().power());
  judge.probability("train.wsd.decay_share", train.wsd().decay_share());
  judge.probability("train.wsd.min_share", train.wsd().min_share());
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
  judge_schedules(judge, train);
  judge.require(train.rmsprop().alpha() >= 0 && train.rmsprop().alpha() < 1, "train.rmsprop.alpha",
                "{} is impossible, expected 0 to below 1", train.rmsprop().alpha());
  judge.require(train.rmsprop().momentum() >= 0 && train.rmsprop().momentum() < 1, "train.rmsprop.momentum",
                "{} is impossible, expected 0 to below 1", train.rmsprop().momentum());
  judge.probability("train.lion.beta1", train.lion().beta1());
  judge.probability("train.lion.beta2", train.lion().beta2());
  judge.require(train.muon().momentum() >= 0 && train.muon().momentum() < 1, "train.muon.momentum",
                "{} is impossible, expected 0 to below 1", train.muon().momentum());
  judge.count("train.muon.ns_steps", train.muon().ns_steps(), 1, 100);
  judge.require(train.adafactor().beta2_decay() < 0, "train.adafactor.beta2_decay",
                "{} is impossible, expected below 0", train.adafactor().beta2_decay());
  judge.positive("train.adafactor.eps2", train.adafactor().eps2());
  judge.positive("train.adafactor.d", train.adafactor().d());
  judge.not_negative("train.grad_clip_norm", train.grad_clip_norm());
  judge.not_negative("train.grad_clip_value", train.grad_clip_value());
  judge.require(train.ema_decay() >= 0 && train.ema_decay() < 1, "train.ema_decay",
                "{} is impossible, expected 0 to below 1", train.ema_decay());
  judge.require(train.skip_loss_factor() == 0 || train.skip_loss_factor() > 1, "train.skip_loss_factor",
                "{} is impossible, expected 0 or above 1", train.skip_loss_factor());
  judge.not_negative("train.memory_budget_gb", train.memory_budget_gb());
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
  judge.not_negative("train.checkpoint_max_age_hours", train.checkpoint_max_age_hours());
  judge.count("train.keep_best_checkpoints", train.keep_best_checkpoints(), 0, 100000);
  judge.require(train.keep_best_checkpoints() == 0 || !train.checkpoint_metric().empty(), "train.keep_best_checkpoints",
                "needs train.checkpoint_metric: what they are best by");
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
  judge.probability("data.balance_classes", data.balance_classes());
  judge.require(!data.root().empty(), "data.root", "the folder's name is empty");
  judge.require(!data.lmdb().empty(), "data.lmdb", "the file name is empty");
  judge_lists(judge, "data.train", data.train());
  judge_lists(judge, "data.val", data.val());
  judge.not_negative("data.frame_rate", data.frame_rate());
  judge.not_negative("data.max_gap", data.max_gap());
  judge.count("data.chunk_frames", data.chunk_frames(), 0, 1 << 20);
}

void judge_eval(const Judge& judge, const config::Eval& eval) {
  judge.count("eval.batch_size", eval.batch_size(), 1, 65536);
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
  judge.count("drawing.label_h", drawing.label_h(), 1, 8192);
  judge.count("drawing.label_w", drawing.label_w(), 1, 8192);
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
  judge.probability("generator.rain", generator.rain());
  judge.probability("generator.dirt", generator.dirt());
  judge.probability("generator.glare", generator.glare());
  judge.not_negative("generator.image_noise", generator.image_noise());
}

void judge_cache(const Judge& judge, const config::FeatureCache& cache) {
  judge.require(!cache.shuffle() || cache.enabled(), "feature_cache.shuffle",
                "needs feature_cache.enabled: without a cache a sample's history comes from the frames before it");
}

void judge_range(const Judge& judge, const std::string& field, double low, double high) {
  judge.within(field + "_min", low, 0.1, 10.0);
  judge.require(high >= low && high <= 10, field + "_max", "{} is impossible, expected {} to 10", high, low);
}

void judge_augmentation(const Judge& judge, const config::Config& proto) {
  const config::PictureAugmentation& pictures = proto.augmentation().pictures();
  const config::GroundAugmentation& ground = proto.augmentation().ground();
  const std::string of_pictures = "augmentation.pictures.", of_ground = "augmentation.ground.";
  judge.probability("augmentation.drop_lidar", proto.augmentation().drop_lidar());
  judge.probability("augmentation.drop_history", proto.augmentation().drop_history());
  judge.not_negative("augmentation.timestamp_jitter", proto.augmentation().timestamp_jitter());
  judge_range(judge, of_pictures + "zoom", pictures.zoom_min(), pictures.zoom_max());
  judge.within(of_pictures + "shift", pictures.shift(), 0.0, 0.9);
  judge.within(of_pictures + "contrast", pictures.contrast(), 0.0, 0.9);
  judge.within(of_pictures + "saturation", pictures.saturation(), 0.0, 1.0);
  judge.within(of_pictures + "roll", pictures.roll(), 0.0, 180.0);
  judge.within(of_pictures + "brightness", pictures.brightness(), 0.0, 255.0);
  judge.within(of_pictures + "tint", pictures.tint(), 0.0, 255.0);
  judge.within(of_pictures + "blur", pictures.blur(), 0.0, 3.0);
  judge.within(of_pictures + "noise", pictures.noise(), 0.0, 255.0);
  judge.count(of_pictures + "jpeg_quality_min", pictures.jpeg_quality_min(), 0, 95);
  judge.probability(of_pictures + "drop_camera", pictures.drop_camera());
  judge.within(of_pictures + "extrinsic_angle", pictures.extrinsic_angle(), 0.0, 180.0);
  judge.not_negative(of_pictures + "extrinsic_offset", pictures.extrinsic_offset());
  judge.probability(of_ground + "mirror", ground.mirror());
  judge_range(judge, of_ground + "scale", ground.scale_min(), ground.scale_max());
  judge.within(of_ground + "yaw", ground.yaw(), 0.0, 180.0);
  judge.not_negative(of_ground + "shift_x", ground.shift_x());
  judge.not_negative(of_ground + "shift_y", ground.shift_y());
  judge.not_negative(of_ground + "shift_step", ground.shift_step());
}

void judge_int8(const Judge& judge, const config::Int8& int8) {
  std::set<std::string> names;
  for (int i = 0; i < int8.convs_size(); ++i) {
    const config::ConvRange& conv = int8.convs(i);
    const std::string at = fmt::format("int8.convs[{}].", i);
    judge.require(!conv.name().empty(), at + "name", "the convolution has no name");
    judge.require(names.insert(conv.name()).second, at + "name", "\"{}\" is there twice", conv.name());
    judge.positive(at + "input", conv.input());
    judge.positive(at + "before_sum", conv.before_sum());
    judge.positive(at + "output", conv.output());
  }
}

}  // namespace

void judge_run(const Judge& judge, const config::Config& proto) {
  judge_train(judge, proto.train());
  judge_data(judge, proto.data());
  judge_eval(judge, proto.eval());
  judge_drawing(judge, proto.drawing());
  judge_generator(judge, proto.generator());
  judge_distributed(judge, proto.distributed());
  judge_cache(judge, proto.feature_cache());
  judge_augmentation(judge, proto);
  judge_int8(judge, proto.int8());
  judge.require(proto.train().val_interval() == 0 || proto.data().val_size() > 0, "train.val_interval",
                "there is no val set in data.val");
}

}  // namespace bevgrad::configs
