#include "formats/torch/nested_storages.h"

#include <map>

#include "base/error.h"
#include "formats/pickle/trust.h"
#include "formats/torch/legacy_file.h"
#include "formats/torch/zip_file.h"
#include "torch/internal/rebuild.h"

namespace bevgrad {

namespace {

constexpr std::string_view kLoader = "torch.storage._load_from_bytes";

/// The storage in `bytes` as a flat tensor, or nothing where they are something else.
std::optional<StoredTensor> read_storage(const Document& outer, const std::string& bytes, Document& document) {
  const auto source = memory_source(outer.source() + ": nested storage", bytes);
  std::shared_ptr<Document> inner;
  try {
    inner = bytes.starts_with("PK\x03\x04") ? read_torch_zip(source) : read_torch_legacy(source);
  } catch (const Error&) {
    return std::nullopt;
  }
  carry_globals(*inner, document);
  const Node& root = inner->node(inner->root);
  if (root.kind != ValueKind::Tensor || !root.tensor->covers_storage()) return std::nullopt;
  return *root.tensor;
}

}  // namespace

void resolve_nested_storages(Document& document) {
  std::map<NodeId, std::optional<StoredTensor>> by_bytes;
  std::map<NodeId, bool> loaders;
  for (NodeId id = 0, end = static_cast<NodeId>(document.size()); id < end; ++id) {
    const Node& call = document.node(id);
    if (call.kind != ValueKind::Object || call.items.size() != 2) continue;
    const NodeId loader = call.items[0];
    if (document.node(loader).kind != ValueKind::Global || document.node(loader).text != kLoader) continue;
    const auto& given = document.node(call.items[1]).items;
    bool read = false;
    if (given.size() == 1) {
      const Node& bytes = document.node(given[0]);
      if (bytes.kind == ValueKind::Bytes || (bytes.kind == ValueKind::String && bytes.integer == 1)) {
        const auto [at, added] = by_bytes.try_emplace(given[0]);
        if (added) at->second = read_storage(document, bytes.text, document);
        if (at->second) {
          Node& node = document.node(id);
          node.kind = ValueKind::Tensor;
          node.text = "torch.storage.TypedStorage";
          node.tensor = std::make_unique<StoredTensor>(*at->second);
          node.items.clear();
          node.object.reset();
          read = true;
        }
      }
    }
    const auto known = loaders.emplace(loader, true).first;
    known->second = known->second && read;
  }
  if (by_bytes.empty()) return;
  for (const auto& [loader, all_read] : loaders) document.node(loader).resolved = all_read;
  resolve_tensors(document, [](const StorageReference& reference) -> std::shared_ptr<const StoredStorage> {
    fail("{}: a reference to a storage outside of the pickle", reference.where);
  });
}

}  // namespace bevgrad
