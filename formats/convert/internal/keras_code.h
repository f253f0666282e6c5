#pragma once
#include <cstdint>

#include "formats/value.h"

namespace bevgrad {

/// How many layers of a Keras .h5 file are a Lambda: its `model_config` holds compiled Python, which Keras before 3,
/// and Keras 3 with safe_mode=False, runs when the model is called.
uint64_t count_keras_lambdas(const Document& document);

}  // namespace bevgrad
