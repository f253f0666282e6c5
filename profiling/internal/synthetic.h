// Inputs and labels of the right sizes, so that a network can be timed without a dataset.
#pragma once
#include <cstdint>

#include "configs/document.h"
#include "data/batch.h"
#include "models/history_selection.h"
#include "models/network_options.h"
#include "tensor/random.h"

namespace bevgrad {

/// `samples` frames with random pictures and points (where `sensors` asks for them) and plausible labels.
Batch synthetic_batch(const configs::Document& document, int64_t samples, bool sensors, Generator& generator);

/// Features as a cache would give them, every interval valid, the vehicle having driven on.
History synthetic_history(const config::Config& proto, const Shape& feature, DType dtype, Generator& generator);

}  // namespace bevgrad
