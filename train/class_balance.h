// What a config asks for where classes are rare, found out from the training's labels.
#pragma once
#include <vector>

#include "configs/document.h"
#include "data/dataset.h"

namespace bevgrad {

/// With loss.class_weight_power, and no weights written, the config with loss.lane_class_weights and
/// road_class_weights from the static task's lists (some 400 frames of them); otherwise the config itself.
configs::Document with_class_weights(const configs::Document& document);

/// With data.balance_classes how often each entry is drawn in an epoch; otherwise nothing. Reads all labels.
std::vector<double> balanced_repeats(const Dataset& dataset, const config::Config& proto);

}  // namespace bevgrad
