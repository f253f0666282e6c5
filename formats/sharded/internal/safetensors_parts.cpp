// PyTorch's distributed checkpoints in safetensors (HuggingFaceStorageWriter, as torchtitan uses it): a file a rank,
// whose metadata says where in the whole tensors its parts lie.
#include "sharded/internal/safetensors_parts.h"

#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"
#include "formats/safetensors/file.h"
#include "formats/sharded/folder.h"
#include "safetensors/internal/json.h"
#include "sharded/internal/joined_storage.h"

namespace bevgrad {

namespace {

/// The parts of a tensor, and the size of the whole that they cover.
struct Whole {
  StoredDType dtype = StoredDType::Float32;
  Shape sizes = {};
  std::vector<Chunk> chunks = {};
};

/// "saved_offsets" of a tensor.
Shape offsets_of(const Json& info, const std::string& name, size_t rank, const std::string& where) {
  const Json* of = info.find(name);
  const Json* offsets = of != nullptr ? of->find("saved_offsets") : nullptr;
  check(offsets != nullptr && offsets->kind == Json::Kind::Array && offsets->items.size() == rank,
        "{}: no offsets for its {} dimensions", where, rank);
  Shape out;
  for (const Json& offset : offsets->items) {
    check(offset.kind == Json::Kind::Integer && offset.integer < (uint64_t{1} << 48), "{}: a broken offset", where);
    out.push_back(static_cast<int64_t>(offset.integer));
  }
  return out;
}

}  // namespace

std::shared_ptr<Document> read_safetensors_parts(const std::string& folder, std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  auto document = std::make_shared<Document>(folder);
  document->root = document->make_ordered_dict();
  std::vector<std::string> order;
  std::unordered_map<std::string, Whole> wholes;
  for (const std::string& file : names) {
    const std::string path = path_in_folder(folder, file, folder);
    const auto part = read_safetensors(open_file(path));
    const auto text = part->find(part->metadata, kShardingInfo);
    check(text.has_value(), "{}: no {} in its metadata, which says where its tensors belong", path, kShardingInfo);
    const Json info = parse_json(part->node(*text).text, path);
    const auto& entries = part->entries(part->root);
    for (size_t i = 0; i + 1 < entries.size(); i += 2) {
      const std::string& name = part->node(entries[i]).text;
      const std::string where = fmt::format("{}: '{}'", path, printable(name));
      const StoredTensor& tensor = *part->node(entries[i + 1]).tensor;
      const Shape offsets = offsets_of(info, name, tensor.sizes.size(), where);
      const auto [at, added] = wholes.try_emplace(name, Whole{.dtype = tensor.dtype, .sizes = tensor.sizes});
      if (added) order.push_back(name);
      Whole& whole = at->second;
      check(whole.dtype == tensor.dtype && whole.sizes.size() == offsets.size(),
            "{}: another dtype or number of dimensions than in the files before", where);
      for (size_t d = 0; d < offsets.size(); ++d)
        whole.sizes[d] = std::max(whole.sizes[d], offsets[d] + tensor.sizes[d]);
      whole.chunks.push_back({tensor, offsets});
    }
  }
  for (const std::string& name : order) {
    Whole& whole = wholes.at(name);
    const std::string where = fmt::format("{}: '{}'", folder, printable(name));
    document->insert(document->root, name,
                     document->make_tensor(chunked_tensor(where, whole.dtype, whole.sizes, std::move(whole.chunks))));
  }
  return document;
}

}  // namespace bevgrad
