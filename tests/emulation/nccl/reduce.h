// The arithmetic of reductions: what every rank computes from the inputs of all.
#pragma once
#include <nccl.h>

#include <cstddef>
#include <vector>

namespace bevgrad::emulation::nccl {

/// Bytes of an element; 0 for a type that is not offered.
size_t size_of(ncclDataType_t type);
/// Elements [first, first + count) of all inputs, reduced into `to`. The order of ranks changes along the elements, as
/// it does on a ring; it is the same on every rank.
void reduce(void* to, const std::vector<const char*>& inputs, size_t first, size_t count, ncclDataType_t type,
            ncclRedOp_t op);

}  // namespace bevgrad::emulation::nccl
