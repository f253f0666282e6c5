// Whether the ranks of a run read the same data.
#pragma once
#include <string>

#include "data/dataset.h"
#include "distributed/process_group.h"

namespace bevgrad {

/// Every rank calls it. Throws Error, the same line on all, where a rank's dataset differs from rank 0's in its lists
/// (a sample, its time, their order), in the number of records of an LMDB, or in the bytes of the records that are
/// looked at (some, evenly spread). `name`: what the data are for.
void require_same_data(ProcessGroup& group, const std::string& name, const Dataset& dataset);

}  // namespace bevgrad
