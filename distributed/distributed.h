// Room `distributed`: processes that work as one: groups (one rank, Gloo, NCCL), how they find one another
// (environment, PyTorch's TCP store, a mesh of authenticated connections), launch/: the launcher. It knows tensors, and
// nothing of gradients or training.
#pragma once
#include "distributed/process_group.h"  // IWYU pragma: export
