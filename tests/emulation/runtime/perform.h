// Finding an operation's memory when it is queued, and running it under the checks that need its turn.
#pragma once
#include "runtime/allocation.h"
#include "runtime/stream.h"

namespace bevgrad::emulation {

/// The memory of `access`, which `operation` uses on `device` (-1: any). Faults where there is none in use.
Touch find_memory(const Access& access, const char* operation, int device);
Task make_task(Operation operation, int device);

/// Runs a task now. Device memory must be open.
void perform(const Task& task, const Moment& moment);

}  // namespace bevgrad::emulation
