// Between batches, files and the network.
#pragma once
#include <string>
#include <vector>

#include "data/batch.h"
#include "formats/state_dict.h"
#include "models/history_player.h"
#include "models/network.h"
#include "tasks/losses.h"
#include "train/checkpoint/pretrain.h"
#include "train/logging/run_log.h"

namespace bevgrad {

/// The images of the batch that are on a device already, where there are such.
NetworkInput network_input(const Batch& batch);
StreamFrames stream_frames(const Batch& batch);

/// The same on the CPU, where evaluation, drawing and files take it.
NetworkOutput on_cpu(const NetworkOutput& output);
History on_cpu(const History& history);
StateDict on_cpu(const StateDict& tensors);

/// Copies every tensor of `saved` into the one of the same name in `model`. Throws Error naming the first that is
/// missing, unexpected or of another shape; `source` names the file.
void restore_state(const NamedTensors& model, const StateDict& saved, const std::string& source);

/// For validation and prediction: loads `path` into the network and reports which entries were used. What the network
/// needs and the file lacks is an error, but for stages that without training pass their input on
/// (Stage::is_neutral_untrained).
PretrainReport load_network(Network& network, const std::string& path, RunLog& log);

/// What first went wrong in a step whose loss is not finite: "bev_lidar" and the stages that made it, a parameter, a
/// label or a loss term.
std::string find_not_finite(Network& network, const NetworkOutput& output, const Losses& losses);

}  // namespace bevgrad
