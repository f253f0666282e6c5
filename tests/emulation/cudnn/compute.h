// What an engine computes, on memory that is open.
#pragma once
#include <map>

#include "engines.h"

namespace bevgrad::emulation::cudnn {

struct Job {
  int engine;
  Pattern pattern;
  std::map<int64_t, void*> pointers;  // by tensor
  void* workspace;
};

void compute(const Job& job);

}  // namespace bevgrad::emulation::cudnn
