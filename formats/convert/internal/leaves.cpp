#include "convert/internal/leaves.h"

#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"
#include "internal/limits.h"
#include "internal/state_dict_node.h"
#include "internal/value_text.h"

namespace bevgrad {

namespace {

constexpr size_t kMaximumLeaves = 4'000'000;
constexpr size_t kMaximumLeafName = 4096;

class Flattener {
 public:
  explicit Flattener(const CheckpointFile& file) : file_(file), document_(*file.document) {}

  std::vector<Leaf> run() {
    add_parameters();
    walk(document_.root, "", 0);
    const auto& metadata = document_.entries(document_.metadata);
    for (size_t i = 0; i + 1 < metadata.size(); i += 2) {
      // The marker of the framework that safetensors files have.
      if (document_.node(metadata[i]).text == "format") continue;
      walk(metadata[i + 1], "file metadata." + key_text(document_, metadata[i]), 0);
    }
    return std::move(out_);
  }

 private:
  void add_parameters() {
    const NodeId root = document_.root;
    if (document_.node(root).kind == ValueKind::Tensor) return;
    const auto state_dict = find_state_dict(document_);
    if (!state_dict) return;
    const auto parameters = parameter_nodes(document_, *state_dict);
    if (parameters.empty()) return;
    std::vector<std::string> names;
    for (const auto& [name, id] : parameters) names.push_back(name);
    strip_common_prefixes(names);
    for (size_t i = 0; i < names.size(); ++i) {
      out_.push_back({.name = names_.take(names[i]), .id = parameters[i].second, .text = {}, .parameter = true});
    }
    state_dict_ = *state_dict;
  }

  void add(NodeId id, const std::string& path, std::string text) {
    check(out_.size() < kMaximumLeaves, "{}: the structure unfolds to more than {} values", file_.path, kMaximumLeaves);
    // That the root is a dictionary says nothing: in some formats it is the state dict itself.
    if (path.empty() && document_.is_mapping(id)) return;
    out_.push_back({.name = names_.take(path.empty() ? "(root)" : path), .id = id, .text = std::move(text)});
  }

  std::string below(const std::string& path, const std::string& label) const {
    check(path.size() <= kMaximumLeafName, "{}: '{}' is nested too deeply", file_.path, printable(path, 100));
    return path.empty() ? label : path + "." + label;
  }

  void walk_items(const std::vector<NodeId>& items, const std::string& path, int depth) {
    for (size_t i = 0; i < items.size(); ++i) walk(items[i], below(path, std::to_string(i)), depth + 1);
  }
  void walk_entries(const std::vector<NodeId>& entries, const std::string& path, int depth) {
    for (size_t i = 0; i + 1 < entries.size(); i += 2) {
      walk(entries[i + 1], below(path, key_text(document_, entries[i])), depth + 1);
    }
  }

  /// Within the state dict its tensors, and the mappings that hold them, have been listed.
  bool is_listed(NodeId id) const {
    return in_state_dict_ && (document_.node(id).kind == ValueKind::Tensor || document_.is_mapping(id));
  }

  void walk(NodeId id, const std::string& path, int depth) {
    check(depth <= kMaximumDepth, "{}: '{}' is nested more than {} deep", file_.path, printable(path, 100),
          kMaximumDepth);
    const Node& node = document_.node(id);
    if (node.kind == ValueKind::Tensor) {
      if (!is_listed(id)) add(id, path, "");
      return;
    }
    const auto [at, added] = open_.emplace(id, path);
    if (!added) return add(id, path, "a reference back to " + (at->second.empty() ? "the root" : at->second));
    const bool outer = in_state_dict_;
    in_state_dict_ = state_dict_ != 0 && (id == state_dict_ || is_listed(id));
    walk_inside(id, path, depth);
    in_state_dict_ = outer;
    open_.erase(id);
  }

  void walk_inside(NodeId id, const std::string& path, int depth) {
    const Node& node = document_.node(id);
    const std::string kind = in_state_dict_ ? std::string() : kind_of(id);
    switch (node.kind) {
      case ValueKind::Dict:
        if (!in_state_dict_) add(id, path, kind);
        return walk_entries(node.items, path, depth);
      case ValueKind::List:
      case ValueKind::Tuple:
        add(id, path, kind);
        return walk_items(node.items, path, depth);
      case ValueKind::Object:
        if (!in_state_dict_) add(id, path, kind);
        if (node.items.size() > 1) walk_items(document_.node(node.items[1]).items, below(path, "args"), depth);
        if (node.items.size() > 2) walk(node.items[2], below(path, "kwargs"), depth + 1);
        if (!node.object) return;
        walk_entries(node.object->entries, path, depth);
        walk_items(node.object->elements, path, depth);
        in_state_dict_ = false;
        for (const NodeId state : node.object->states) walk(state, below(path, "state"), depth + 1);
        return;
      case ValueKind::Set:
      case ValueKind::FrozenSet:
        return add(id, path, set_text(node));
      case ValueKind::String:
        return add(id, path, "'" + node.text + "'");
      case ValueKind::Bytes:
        return add(id, path, (node.resolved ? "bytearray " : "bytes ") + node.text);
      default:
        return add(id, path, value_text(document_, id));
    }
  }

  /// A dict and an OrderedDict are equal to Python, and so they are here.
  std::string kind_of(NodeId id) const {
    const Node& node = document_.node(id);
    if (node.kind == ValueKind::Object && document_.type_name(id) != "collections.OrderedDict") {
      return "an object of " + std::string(document_.type_name(id));
    }
    if (node.kind == ValueKind::List || node.kind == ValueKind::Tuple) {
      return fmt::format("a {} of {}", name(node.kind), node.items.size());
    }
    return "a dict";
  }

  std::string set_text(const Node& node) const {
    std::vector<std::string> items;
    for (const NodeId item : node.items) items.push_back(value_text(document_, item));
    std::sort(items.begin(), items.end());
    std::string out = fmt::format("a {} of", name(node.kind));
    for (const std::string& item : items) out += " " + item;
    return out;
  }

  const CheckpointFile& file_;
  const Document& document_;
  NodeId state_dict_ = 0;
  bool in_state_dict_ = false;
  std::unordered_map<NodeId, std::string> open_;  // the values on the way to this one, and where they are
  UniqueNames names_;
  std::vector<Leaf> out_;
};

}  // namespace

std::vector<Leaf> leaves_of(const CheckpointFile& file) {
  return Flattener(file).run();
}

}  // namespace bevgrad
