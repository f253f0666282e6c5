// Hugging Face's shards: model.safetensors.index.json names, under "weight_map", the file of each tensor.
#include <filesystem>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/text.h"
#include "formats/sharded/folder.h"
#include "internal/state_dict_node.h"
#include "safetensors/internal/json.h"

namespace bevgrad {

namespace {

constexpr uint64_t kMaximumShardIndex = 256 << 20;
constexpr size_t kNamed = 4;  // tensors that a message lists

/// The tensors of a shard by name.
using Shard = std::unordered_map<std::string, StoredTensor>;

Shard open_shard(const std::string& path, Foreign foreign) {
  open_file(path);  // refuses what is no file: a pipe would be waited for
  const CheckpointFile file = open_checkpoint(path, foreign);
  Shard out;
  if (!file.document->is_mapping(file.document->root)) return out;
  const auto state_dict = find_state_dict(*file.document);
  if (!state_dict) return out;
  for (const auto& [name, id] : parameter_nodes(*file.document, *state_dict)) {
    out.emplace(name, *file.document->node(id).tensor);
  }
  return out;
}

NodeId metadata_value(Document& document, const Json& value) {
  switch (value.kind) {
    case Json::Kind::String:
    case Json::Kind::Number:
      return document.make_string(value.text);
    case Json::Kind::Integer:
      return document.make_int(static_cast<int64_t>(std::min<uint64_t>(value.integer, INT64_MAX)));
    default:
      return document.add({});
  }
}

}  // namespace

std::shared_ptr<Document> read_shards(const std::string& path, Foreign foreign) {
  const auto source = open_file(path);
  check(source->size() <= kMaximumShardIndex, "{}: an index of {} bytes", path, source->size());
  std::string text(source->size(), '\0');
  source->read(0, std::as_writable_bytes(std::span(text)));
  const Json json = parse_json(text, path);
  const Json* map = json.find("weight_map");
  check(map != nullptr && map->kind == Json::Kind::Object, "{}: no index of shards: it has no \"weight_map\"", path);

  const std::string folder = std::filesystem::path(path).parent_path().string();
  auto document = std::make_shared<Document>(path);
  document->root = document->make_ordered_dict();
  document->metadata = document->make_dict();
  if (const Json* metadata = json.find("metadata"); metadata != nullptr) {
    for (size_t i = 0; i < metadata->names.size(); ++i) {
      document->insert(document->metadata, metadata->names[i], metadata_value(*document, metadata->items[i]));
    }
  }
  std::map<std::string, Shard> shards;
  std::map<std::string, size_t> taken;
  for (size_t i = 0; i < map->names.size(); ++i) {
    const std::string& name = map->names[i];
    const std::string where = fmt::format("{}: '{}'", path, printable(name));
    check(map->items[i].kind == Json::Kind::String, "{}: its file is no text", where);
    const std::string& file = map->items[i].text;
    auto shard = shards.find(file);
    if (shard == shards.end()) {
      const std::string place = path_in_folder(folder, file, where);
      check(!file.ends_with(".index.json"), "{}: it lies in another index", where);
      shard = shards.emplace(file, open_shard(place, foreign)).first;
    }
    const auto tensor = shard->second.find(name);
    check(tensor != shard->second.end(), "{}: it is not in {}", where, printable(file));
    document->insert(document->root, name, document->make_tensor(tensor->second));
    ++taken[file];
  }
  for (const auto& [file, shard] : shards) {
    if (taken[file] >= shard.size()) continue;
    std::string names;
    size_t count = 0;
    std::unordered_set<std::string_view> listed(map->names.begin(), map->names.end());
    for (const auto& [name, tensor] : shard) {
      if (listed.contains(name)) continue;
      if (count++ < kNamed) names += (names.empty() ? "" : ", ") + printable(name);
    }
    document->left_out.push_back(fmt::format("{} tensors of {} that the index does not name ({}{})", count,
                                             printable(file), names, count > kNamed ? ", ..." : ""));
  }
  return document;
}

}  // namespace bevgrad
