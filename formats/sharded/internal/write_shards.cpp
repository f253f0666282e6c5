#include "sharded/internal/write_shards.h"

#include <algorithm>
#include <filesystem>
#include <unordered_map>

#include "base/atomic_file.h"
#include "base/error.h"
#include "formats/safetensors/file.h"
#include "formats/torch/writer.h"
#include "safetensors/internal/json.h"

namespace bevgrad {

namespace {

void write_one(const std::string& path, bool safetensors, const std::vector<NamedTensor>& tensors,
               const std::vector<std::pair<std::string, std::string>>& metadata) {
  if (safetensors) return write_safetensors(path, tensors, metadata);
  Document document(path);
  document.root = document.make_ordered_dict();
  for (const NamedTensor& tensor : tensors) {
    document.insert(document.root, tensor.name, document.make_tensor(tensor.tensor));
  }
  write_torch(path, document);
}

}  // namespace

std::vector<std::vector<size_t>> plan_shards(const std::vector<NamedTensor>& tensors, uint64_t limit) {
  // Tensors by storage, in the order of the first of each.
  std::unordered_map<const void*, size_t> group_of;
  std::vector<std::vector<size_t>> groups;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const auto [at, added] = group_of.try_emplace(identity(*tensors[i].tensor.storage), groups.size());
    if (added) groups.emplace_back();
    groups[at->second].push_back(i);
  }
  std::vector<std::vector<size_t>> out;
  uint64_t held = 0;
  for (const std::vector<size_t>& group : groups) {
    uint64_t bytes = 0;
    for (const size_t i : group) bytes += tensors[i].tensor.nbytes();
    if (out.empty() || (held > 0 && bytes > limit - std::min(limit, held))) {
      out.emplace_back();
      held = 0;
    }
    out.back().insert(out.back().end(), group.begin(), group.end());
    held += bytes;
  }
  return out;
}

std::vector<std::string> write_shards(const std::string& path, bool safetensors,
                                      const std::vector<NamedTensor>& tensors,
                                      const std::vector<std::pair<std::string, std::string>>& metadata,
                                      uint64_t limit) {
  const auto plan = plan_shards(tensors, limit);
  if (plan.size() <= 1) {
    write_one(path, safetensors, tensors, metadata);
    return {path};
  }
  const std::filesystem::path whole(path);
  std::vector<std::string> written;
  try {
    uint64_t total = 0;
    std::string map;
    for (size_t shard = 0; shard < plan.size(); ++shard) {
      const std::string name =
          fmt::format("{}-{:05}-of-{:05}{}", whole.stem().string(), shard + 1, plan.size(), whole.extension().string());
      std::vector<NamedTensor> part;
      for (const size_t i : plan[shard]) {
        part.push_back(tensors[i]);
        total += tensors[i].tensor.nbytes();
        map += fmt::format("{}\n    {}: {}", map.empty() ? "" : ",", json_string(tensors[i].name), json_string(name));
      }
      const std::string file = (whole.parent_path() / name).string();
      write_one(file, safetensors, part, metadata);
      written.push_back(file);
    }
    const std::string index = path + ".index.json";
    AtomicFile file(index);
    file.write(fmt::format("{{\n  \"metadata\": {{\n    \"total_size\": {}\n  }},\n  \"weight_map\": {{{}\n  }}\n}}\n",
                           total, map));
    file.commit();
    written.push_back(index);
  } catch (...) {
    std::error_code ignored;
    for (const std::string& file : written) std::filesystem::remove(file, ignored);
    throw;
  }
  return written;
}

}  // namespace bevgrad
