// The named parts of a network, as configs, checkpoints and people speak of them.
#pragma once
#include <string>

#include "nn/module.h"

namespace bevgrad {

/// A child of the network and what the rest of the program must know of it.
struct Stage {
  std::string name;                ///< of the module: the first part of its parameters' names
  const Module* module = nullptr;  ///< null: the options switch it off
  /// It lies before bev_fused: what it computes can be cached and stored as history.
  bool is_encoder = false;
  /// With fresh weights it passes its input on, so that a checkpoint without it gives the same network.
  bool is_neutral_untrained = false;
};

}  // namespace bevgrad
