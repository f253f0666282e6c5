// Ranges of a network's activations over the frames that it is run on: post-training calibration.
#pragma once
#include <map>
#include <string>

#include "nn/activation_ranges.h"
#include "nn/conv_observer.h"
#include "nn/magnitudes.h"

namespace bevgrad {

class RangeWatch {
 public:
  /// For a ConvObserver of `root`: what it sees is added to what was seen before. Of transposed convolutions nothing is
  /// kept: they are not computed in 8 bits.
  ConvObserver::See see(Module& root);
  /// `all_signed`: also those of activations that were never negative.
  ActivationRanges ranges(bool all_signed = false) const;

 private:
  struct Seen {
    Magnitudes input, before_sum, output;
  };

  std::map<std::string, Seen> seen_;
};

}  // namespace bevgrad
