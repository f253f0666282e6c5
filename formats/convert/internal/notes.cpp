#include "convert/internal/notes.h"

#include <map>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/text.h"
#include "formats/reachable.h"
#include "internal/limits.h"
#include "internal/state_dict_node.h"
#include "internal/value_text.h"
#include "torch/internal/pickler.h"

namespace bevgrad {

namespace {

constexpr size_t kListed = 16;
constexpr size_t kNotedLabelWidth = 120;

/// Finds the parts of a structure of which nothing is kept.
class Losses {
 public:
  /// `kept` are the tensors, `texts` the keys of the root's entries that are.
  Losses(const Document& document, const std::unordered_set<NodeId>& kept, const std::unordered_set<std::string>& texts)
      : document_(document), kept_(kept), texts_(texts) {}

  std::vector<std::string> below(NodeId id) {
    if (walk(id, "", 0) == State::Lost) paths_.emplace_back("everything");
    return std::move(paths_);
  }

 private:
  enum class State { Open, Lost, Kept };

  State walk(NodeId id, const std::string& path, int depth) {
    if (kept_.contains(id)) return State::Kept;
    if (depth > kMaximumDepth) return State::Lost;
    // A value that is mentioned again is what it was the first time; within itself it says nothing.
    const auto [at, added] = known_.try_emplace(id, State::Open);
    if (!added) return at->second;
    const Node& node = document_.node(id);
    std::vector<std::pair<std::string, NodeId>> children;
    const auto label = [&](const std::string& name) { return path.empty() ? name : path + "." + name; };
    const auto entries = [&](const std::vector<NodeId>& all) {
      for (size_t i = 0; i + 1 < all.size(); i += 2) {
        children.emplace_back(label(key_text(document_, all[i])), all[i + 1]);
      }
    };
    const auto items = [&](const std::vector<NodeId>& all) {
      for (size_t i = 0; i < all.size(); ++i) children.emplace_back(label(std::to_string(i)), all[i]);
    };
    if (node.kind == ValueKind::Dict) entries(node.items);
    if (node.kind == ValueKind::Object && node.object) {
      entries(node.object->entries);
      items(node.object->elements);
      for (const NodeId state : node.object->states) {
        if (document_.node(state).kind == ValueKind::Dict) entries(document_.node(state).items);
      }
    }
    if (node.kind == ValueKind::List || node.kind == ValueKind::Tuple) items(node.items);
    std::vector<std::string> lost;
    bool some_kept = false;
    for (const auto& [name, child] : children) {
      const State state = depth == 0 && texts_.contains(name) ? State::Kept : walk(child, name, depth + 1);
      if (state == State::Lost) lost.push_back(name);
      some_kept = some_kept || state == State::Kept;
    }
    if (!some_kept) return known_[id] = State::Lost;
    for (std::string& name : lost) paths_.push_back(printable(name, kNotedLabelWidth));
    return known_[id] = State::Kept;
  }

  const Document& document_;
  const std::unordered_set<NodeId>& kept_;
  const std::unordered_set<std::string>& texts_;
  std::unordered_map<NodeId, State> known_;
  std::vector<std::string> paths_;
};

std::optional<std::string> metadata_text(const Node& value) {
  switch (value.kind) {
    case ValueKind::String:
      return value.text;
    case ValueKind::Int:
      return std::to_string(value.integer);
    case ValueKind::Float:
      return fmt::format("{}", value.real);
    case ValueKind::Bool:
      return value.integer != 0 ? "True" : "False";
    default:
      return std::nullopt;
  }
}

}  // namespace

std::string listed(const std::vector<std::string>& names) {
  std::string out;
  for (size_t i = 0; i < names.size() && i < kListed; ++i) out += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > kListed) out += fmt::format(" and {} more", names.size() - kListed);
  return out;
}

MetadataTexts tensors_metadata(const Document& document, std::string_view target, std::vector<std::string>& notes) {
  MetadataTexts out{{"format", "pt"}};
  std::unordered_set<std::string> names{"format"};
  std::vector<std::string> lost;
  const auto& own = document.entries(document.metadata);
  for (size_t i = 0; i + 1 < own.size(); i += 2) {
    const std::string name = key_text(document, own[i]);
    const auto text = metadata_text(document.node(own[i + 1]));
    if (name == "format") continue;
    if (text && names.insert(name).second) {
      out.emplace_back(name, *text);
    } else {
      lost.push_back("metadata " + printable(name, kNotedLabelWidth));
    }
  }
  std::unordered_set<NodeId> kept;
  std::unordered_set<std::string> kept_texts;
  if (document.node(document.root).kind == ValueKind::Tensor) kept.insert(document.root);
  if (document.is_mapping(document.root)) {
    const auto state_dict = find_state_dict(document);
    if (state_dict) {
      for (const auto& [name, id] : parameter_nodes(document, *state_dict)) kept.insert(id);
    }
    const auto& entries = document.entries(document.root);
    for (size_t i = 0; i + 1 < entries.size(); i += 2) {
      const Node& key = document.node(entries[i]);
      const auto text = metadata_text(document.node(entries[i + 1]));
      if (key.kind != ValueKind::String || !text || !names.insert(key.text).second) continue;
      out.emplace_back(key.text, *text);
      kept_texts.insert(key.text);
    }
  }
  for (std::string& path : Losses(document, kept, kept_texts).below(document.root)) lost.push_back(std::move(path));
  if (!lost.empty())
    notes.push_back(fmt::format("{} keeps tensors and texts only; left out: {}", target, listed(lost)));
  return out;
}

void note_lost_entries(const Document& document, std::vector<std::string>& notes) {
  const auto state_dict = find_state_dict(document);
  if (!state_dict) return;
  std::unordered_set<NodeId> kept;
  for (const auto& [name, id] : parameter_nodes(document, *state_dict)) kept.insert(id);
  std::vector<std::string> lost = Losses(document, kept, {}).below(*state_dict);
  if (!lost.empty()) notes.push_back("no tensors, so not in the new state dict: " + listed(lost));
}

void note_objects(const Document& document, std::vector<std::string>& notes) {
  std::map<std::string, int> types;
  for (const NodeId id : reachable_nodes(document)) {
    if (document.node(id).kind != ValueKind::Object || document.is_mapping(id)) continue;
    if (is_kept_call(document.type_name(id))) continue;
    ++types[printable(document.type_name(id), 80)];
  }
  for (const char* known : {"torch.Size", "torch.device"}) types.erase(known);
  std::vector<std::string> lines;
  for (const auto& [type, count] : types) lines.push_back(fmt::format("{} ({})", type, count));
  if (!lines.empty()) notes.push_back("objects of other classes are written as dictionaries: " + listed(lines));
}

}  // namespace bevgrad
