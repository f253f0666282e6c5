#include "formats/convert/edit.h"

#include <algorithm>
#include <unordered_set>

#include "base/error.h"
#include "base/text.h"
#include "internal/limits.h"
#include "internal/value_text.h"

namespace bevgrad {

namespace {

constexpr size_t kMaximumEditedEntries = 20'000'000;

class Editor {
 public:
  Editor(CheckpointFile& file, const EditOptions& options)
      : path_(file.path),
        document_(*file.document),
        options_(options),
        drop_used_(options.drop.size(), false),
        rename_used_(options.rename.size(), false) {}

  EditReport run() {
    walk(document_.root, "", 0);
    for (size_t i = 0; i < drop_used_.size(); ++i) {
      if (!drop_used_[i]) report_.unused.push_back(fmt::format("--drop {}: no place matches", options_.drop[i]));
    }
    for (size_t i = 0; i < rename_used_.size(); ++i) {
      if (!rename_used_[i])
        report_.unused.push_back(fmt::format("--rename {}: no such place", options_.rename[i].first));
    }
    return std::move(report_);
  }

 private:
  static std::string below(const std::string& place, const std::string& key) {
    return place.empty() ? key : place + "." + key;
  }

  std::vector<NodeId>* entries_of(NodeId id) {
    Node& node = document_.node(id);
    if (node.kind == ValueKind::Dict) return &node.items;
    return node.kind == ValueKind::Object && node.object ? &node.object->entries : nullptr;
  }

  void walk(NodeId id, const std::string& place, int depth) {
    check(depth <= kMaximumDepth && ++visited_ <= kMaximumEditedEntries, "{}: '{}' is nested too deeply", path_,
          printable(place, 100));
    if (!seen_.insert(id).second) return;
    if (std::vector<NodeId>* entries = entries_of(id)) edit(id, *entries, place, depth);
    const Node& node = document_.node(id);
    if (node.kind != ValueKind::List && node.kind != ValueKind::Tuple) return;
    for (size_t i = 0; i < node.items.size(); ++i) enter(node.items[i], place, std::to_string(i), depth);
  }

  void enter(NodeId id, const std::string& place, const std::string& key, int depth) {
    keys_.push_back(key);
    walk(id, below(place, key), depth + 1);
    keys_.pop_back();
  }

  void edit(NodeId id, std::vector<NodeId>& entries, const std::string& place, int depth) {
    std::vector<NodeId> kept;
    std::vector<std::string> kept_keys;  // as they were: places are those before the change
    std::unordered_set<std::string> taken;
    for (size_t i = 0; i + 1 < entries.size(); i += 2) {
      const std::string key = key_text(document_, entries[i]);
      const std::string own = below(place, key);
      if (is_dropped(own)) {
        report_.dropped.push_back(own);
        report_.entries.push_back({id, keys_, key});
        continue;
      }
      const NodeId fresh = renamed(entries[i], own, place);
      const std::string text = key_text(document_, fresh);
      check(taken.insert(text).second, "{}: '{}' is there already", path_, printable(below(place, text), 200));
      if (fresh != entries[i]) report_.entries.push_back({id, keys_, key, text});
      kept.push_back(fresh);
      kept.push_back(entries[i + 1]);
      kept_keys.push_back(key);
    }
    entries = kept;
    for (size_t i = 0; i < kept_keys.size(); ++i) enter(kept[2 * i + 1], place, kept_keys[i], depth);
  }

  bool is_dropped(const std::string& place) {
    bool out = false;
    for (size_t i = 0; i < options_.drop.size(); ++i) {
      if (!matches_wildcard(place, options_.drop[i])) continue;
      drop_used_[i] = true;
      out = true;
    }
    return out;
  }

  NodeId renamed(NodeId key, const std::string& own, const std::string& place) {
    for (size_t i = 0; i < options_.rename.size(); ++i) {
      const auto& [from, to] = options_.rename[i];
      if (from != own) continue;
      const std::string parent = place.empty() ? "" : place + ".";
      if (!to.starts_with(parent) || to.size() == parent.size()) {
        throw UsageError(fmt::format("--rename {}={}: expected a place in '{}'", from, to, place));
      }
      rename_used_[i] = true;
      report_.renamed.push_back(own + " -> " + to);
      return document_.make_string(to.substr(parent.size()));
    }
    return key;
  }

  const std::string& path_;
  Document& document_;
  const EditOptions& options_;
  EditReport report_;
  std::vector<bool> drop_used_;
  std::vector<bool> rename_used_;
  std::vector<std::string> keys_;  // on the way to the value that is walked through
  std::unordered_set<NodeId> seen_;
  size_t visited_ = 0;
};

}  // namespace

EditReport edit_checkpoint(CheckpointFile& file, const EditOptions& options) {
  return Editor(file, options).run();
}

}  // namespace bevgrad
