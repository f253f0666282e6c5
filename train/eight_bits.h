// A config's int8 and a network's convolutions.
#pragma once
#include <string>
#include <vector>

#include "configs/document.h"
#include "models/network.h"
#include "nn/activation_ranges.h"
#include "train/logging/run_log.h"

namespace bevgrad {

/// Those of int8.convs.
ActivationRanges activation_ranges(const config::Int8& int8);
/// Switched on, with these ranges.
config::Int8 int8_fields(const ActivationRanges& ranges);

/// The named convolutions compute in 8 bits from now on (nn/eight_bits.h); returns the names of those that do not.
/// Throws UsageError for a name that is none of the network's two-dimensional convolutions.
std::vector<std::string> set_eight_bits(Network& network, const ActivationRanges& ranges);
/// As the config says, where int8.on, and says which ones stay in floating point. Throws UsageError naming the field.
void set_eight_bits(Network& network, const configs::Document& document, RunLog& log);

}  // namespace bevgrad
