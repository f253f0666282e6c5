#include "internal/file_metadata.h"

namespace bevgrad {

namespace {

constexpr std::string_view kAttribute = "_metadata";
constexpr std::string_view kEntry = "__metadata__";
constexpr std::string_view kOrderedDict = "collections.OrderedDict";

void erase(std::vector<NodeId>& entries, const Document& document, std::string_view key) {
  for (size_t i = 0; i + 1 < entries.size();) {
    if (document.node(entries[i]).kind == ValueKind::String && document.node(entries[i]).text == key) {
      entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(i),
                    entries.begin() + static_cast<std::ptrdiff_t>(i) + 2);
    } else {
      i += 2;
    }
  }
}

/// A dict of the same kind with a copy of the entries.
NodeId copied(Document& document, NodeId mapping, bool ordered) {
  const std::vector<NodeId> entries = document.entries(mapping);
  const NodeId out = ordered ? document.make_ordered_dict() : document.make_dict();
  for (size_t i = 0; i + 1 < entries.size(); i += 2) document.insert(out, entries[i], entries[i + 1]);
  return out;
}

/// The attributes of an OrderedDict: a dict, where it has some.
std::optional<NodeId> attributes_of(const Document& document, NodeId id) {
  const Node& node = document.node(id);
  if (document.type_name(id) != kOrderedDict || !node.object || node.object->states.empty()) return std::nullopt;
  const NodeId state = node.object->states[0];
  return document.node(state).kind == ValueKind::Dict ? std::optional(state) : std::nullopt;
}

}  // namespace

bool embed_file_metadata(Document& document) {
  if (document.entries(document.metadata).empty()) return true;
  const NodeId kept = copied(document, document.metadata, false);
  erase(document.node(kept).items, document, "format");
  if (document.node(kept).items.empty()) return true;
  if (!document.is_mapping(document.root)) return false;
  const auto old = attributes_of(document, document.root);
  const NodeId root = copied(document, document.root, true);
  const NodeId attributes = old ? copied(document, *old, false) : document.make_dict();
  const auto versions = document.find(attributes, kAttribute);
  const bool known = versions && document.is_mapping(*versions);
  const NodeId metadata = known ? copied(document, *versions, true) : document.make_ordered_dict();
  document.insert(metadata, kEntry, kept);
  erase(document.node(attributes).items, document, kAttribute);
  document.insert(attributes, kAttribute, metadata);
  document.node(root).object->states = {attributes};
  document.root = root;
  return true;
}

void lift_file_metadata(Document& document) {
  const auto attributes = attributes_of(document, document.root);
  const auto metadata = attributes ? document.find(*attributes, kAttribute) : std::nullopt;
  if (!metadata || !document.is_mapping(*metadata)) return;
  const auto entry = document.find(*metadata, kEntry);
  if (!entry || !document.is_mapping(*entry)) return;
  document.metadata = *entry;
  Node& holder = document.node(*metadata);
  std::vector<NodeId>& entries = holder.kind == ValueKind::Dict ? holder.items : holder.object->entries;
  erase(entries, document, kEntry);
  if (!entries.empty()) return;
  erase(document.node(*attributes).items, document, kAttribute);
  if (document.node(*attributes).items.empty()) document.node(document.root).object->states.clear();
}

}  // namespace bevgrad
