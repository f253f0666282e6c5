// A checkpoint cut into shards of a bounded size with an index, as Hugging Face's libraries write and read them.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "formats/state_dict.h"

namespace bevgrad {

/// Tensors of each shard by their number, in order: a shard is begun where the next tensor would make one larger than
/// `limit` bytes. Tensors that share a storage stay together.
std::vector<std::vector<size_t>> plan_shards(const std::vector<NamedTensor>& tensors, uint64_t limit);

/// "model-00001-of-00003.safetensors", ... and then "model.safetensors.index.json", for `path` = "model.safetensors".
/// One shard is written as `path` itself, without an index. Returns the files. What had been written of a set that
/// fails is removed. Throws Error naming the file.
std::vector<std::string> write_shards(const std::string& path, bool safetensors,
                                      const std::vector<NamedTensor>& tensors,
                                      const std::vector<std::pair<std::string, std::string>>& metadata, uint64_t limit);

}  // namespace bevgrad
