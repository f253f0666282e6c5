// Running a plan: the pack of pointers against the plan, then into the handle's stream.
#pragma once
#include "node.h"

namespace bevgrad::emulation::cudnn {

void execute(cudnnContext& handle, const Node& plan, const Node& pack);

}  // namespace bevgrad::emulation::cudnn
