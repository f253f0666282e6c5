#include "train/frame_stream.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <set>

#include "autograd/autograd.h"
#include "base/error.h"
#include "nn/skip_draws.h"
#include "tensor/ops.h"
#include "train/checkpoint/trained_config.h"
#include "train/eight_bits.h"
#include "train/network_state.h"
#include "train/options/from_config.h"

namespace bevgrad {
namespace {

void check_finite(const NetworkOutput& output) {
  for (const NetworkMap& entry : output)
    check(ops::all_finite(entry.map), "{} is not finite ({}): the weights or the input hold NaN or are far too large",
          entry.name, entry.made_by);
}

/// Copies the parameters and buffers of a network of the same kind, but those that are named.
void copy_all_but(const std::vector<std::string>& names, const Network& from, Network& to) {
  const std::set<std::string> kept(names.begin(), names.end());
  const NamedTensors sources = from.state_dict(), targets = to.state_dict();
  for (size_t i = 0; i < sources.size(); ++i)
    if (!kept.contains(sources[i].first)) ops::copy_(targets[i].second, sources[i].second);
}

/// Degrees between the directions in which two cameras look.
double degrees_between(const Camera& a, const Camera& b) {
  double cosine = 0;
  for (size_t row = 0; row < 3; ++row) cosine += a.sensor2ego.m[row * 4 + 2] * b.sensor2ego.m[row * 4 + 2];
  return std::acos(std::clamp(cosine, -1.0, 1.0)) * 180 / std::numbers::pi;
}

// A camera is mounted within a few degrees of where it is meant to be, and neighbours are further apart.
constexpr double kSamePlace = 10, kAnotherPlace = 30;

}  // namespace

TrainedNetwork::TrainedNetwork(const configs::Document& document, const TrainedNetworkOptions& options, RunLog& log,
                               const Parts& parts)
    : tasks_(parts.tasks, document) {
  const NoGradGuard no_grad;
  check_trained_config(options.ckpt, document);
  const NetworkOptions network_options = configs::network_options(document);
  const NetworkParts made = network_parts(document, parts);
  Generator generator(document.proto.seed());
  {
    const init::SkipDraws skip_draws;
    network_.emplace(network_options, generator, made);
  }
  const PretrainReport report = load_network(*network_, options.ckpt, log);
  // What the file lacks has the values with which training would begin.
  if (!report.missing.empty()) copy_all_but(report.loaded, Network(network_options, generator, made), *network_);
  network_->move_to(options.device);
  network_->set_training(false);
  network_->set_backbone_amp(options.amp);
  if (!options.amp) network_->set_head_amp(false);
  set_eight_bits(*network_, document, log);
  if (document.proto.tasks().enable_static_temporal()) {
    history_ = configs::history_options(document.proto);
    if (!options.amp) history_->storage = DType::Float32;
  }
  for (const config::CameraGroup& group : document.proto.sensors().groups())
    for (const config::Camera& camera : group.cameras())
      rig_.push_back({camera.name(), configs::rig_camera(group, camera)});
}

void TrainedNetwork::check_camera_order(const std::vector<Camera>& cameras) const {
  for (size_t i = 0; i < std::min(cameras.size(), rig_.size()); ++i) {
    const double off = degrees_between(cameras[i], rig_[i].camera);
    for (size_t j = 0; off > kAnotherPlace && j < rig_.size(); ++j)
      check(degrees_between(cameras[i], rig_[j].camera) > kSamePlace,
            "sensor2ego of camera {}, which is \"{}\" in the config, looks where the config has \"{}\", {:.0f} degrees "
            "away: the cameras stand in another order",
            i, rig_[i].name, rig_[j].name, off);
  }
}

FrameStream::FrameStream(TrainedNetwork& trained) : trained_(trained) {
  if (trained.history()) player_.emplace(*trained.history(), 1);
}

PlayedFrame FrameStream::play(const NetworkInput& input, const FrameMoment& moment) {
  check(input.size() == 1, "a stream takes one frame at a time, {} came", input.size());
  if (!input.cameras.empty()) trained_.check_camera_order(input.cameras.front());
  const NoGradGuard no_grad;
  PlayedFrame frame{trained_.network().encode(input), {}};
  check_finite(frame.maps);
  if (player_) {
    frame.history = player_->play(trained_.network(), frame.maps, {.moments = {moment}, .starts = {false}});
  } else {
    trained_.network().decode(frame.maps);
  }
  check_finite(frame.maps);
  return frame;
}

NamedTensors outputs_of(const NetworkOutput& maps, const TaskList& tasks) {
  NamedTensors outputs;
  for (const NetworkMap& entry : maps) outputs.emplace_back(entry.name, entry.map);
  for (const ActiveTask& active : tasks)
    for (const auto& decoded : active.task->decode(maps)) outputs.push_back(decoded);
  return outputs;
}

}  // namespace bevgrad
