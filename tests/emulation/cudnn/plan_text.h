// An engine configuration with its graph as a text: what a plan's JSON form is to the library.
#pragma once
#include <string>

#include "node.h"

namespace bevgrad::emulation::cudnn {

std::string text_of_config(const Node& config);
/// Throws Refusal where it is no such text.
NodePointer config_of_text(const std::string& text);

}  // namespace bevgrad::emulation::cudnn
