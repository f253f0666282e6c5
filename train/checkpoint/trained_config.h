// With which config weights were trained, as their file says it.
#pragma once
#include <string>

#include "configs/document.h"

namespace bevgrad {

/// Throws UsageError naming the file, the field and both values where the file holds the config of its training and
/// that one reads the same weights in another way: other cameras or another order of them, another grid, other points
/// of the view transform, classes, history. Files of weights alone, and those with a config that this program cannot
/// read, pass.
void check_trained_config(const std::string& ckpt, const configs::Document& document);

}  // namespace bevgrad
