// What grows with the size of a data set: lists, the folder of a feature cache, and processes that read one.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "configs/document.h"
#include "profiling/figures.h"

namespace bevgrad {

struct ScaleOptions {
  int64_t records = 1'000'000;  ///< of one list; each holds its header alone
  int64_t features = 67'000;    ///< of the cache; files of their true size, of which a few hold data
  int processes = 64;           ///< that read features at once
  std::string folder;           ///< where all of it is made in a folder of its own, which is removed again
};

/// Time and memory to open a list of so many records and a cache of so many features of the config's size, the time of
/// a first batch of the config's from that cache, and what one process and all of them read. Before threads are used:
/// it forks.
std::vector<Figure> bench_scale(const configs::Document& document, const ScaleOptions& options);

}  // namespace bevgrad
