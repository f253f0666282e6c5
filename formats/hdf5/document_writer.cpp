#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/text.h"
#include "formats/hdf5/document.h"
#include "formats/hdf5/document_layout.h"
#include "formats/reachable.h"
#include "hdf5/internal/placed_tensors.h"
#include "internal/base64.h"
#include "internal/state_dict_node.h"
#include "internal/value_text.h"
#include "pickle/internal/numbers.h"
#include "safetensors/internal/json.h"

namespace bevgrad {

namespace {

constexpr int kMaximumWrittenDepth = 400;
constexpr uint64_t kMaximumWrittenSaved = 20'000'000;
constexpr uint64_t kMaximumWrittenText = 512 << 20;
constexpr size_t kSharedText = 64;      // shorter texts are repeated
constexpr size_t kInlineBytes = 4096;   // longer ones are a dataset
constexpr size_t kInlineNumbers = 256;  // longer lists of floats are a dataset
constexpr size_t kMaximumLabel = 1000;

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) out += fmt::format("{:02x}", static_cast<uint8_t>(c));
  return out;
}

/// The structure as JSON, its tensors as datasets beside it.
class DocumentWriter {
 public:
  DocumentWriter(const std::string& path, const Document& document)
      : document_(document), file_(path), tensors_(file_, document) {}

  void run() {
    count_uses();
    file_.set_attribute("", "format", kFormatName);
    file_.set_attribute("", "format_version", kFormatVersion);
    file_.set_attribute("", "producer", kProducer);
    const NodeId root = document_.root;
    if (document_.is_mapping(root)) put_root_attributes(root);
    state_dict_ = find_state_dict(document_).value_or(0);
    if (state_dict_ != 0) {
      file_.make_group(kStateDictGroup);
      save_parameters();
    }
    json_ = "{\"root\":";
    save(root, 0);
    json_ += ",\"metadata\":";
    save(document_.metadata, 0);
    json_ += "}";
    file_.write_text(kDocument, json_);
    file_.commit();
  }

 private:
  const Node& node(NodeId id) const { return document_.node(id); }

  void put_root_attributes(NodeId root) {
    for (const char* key : {"epoch", "global_step"}) {
      const auto value = document_.find(root, key);
      if (value && node(*value).kind == ValueKind::Int) file_.set_attribute("", key, node(*value).integer);
    }
    const auto hyper = document_.find(root, "hyper_parameters");
    const auto config = hyper && document_.is_mapping(*hyper) ? document_.find(*hyper, "config") : std::nullopt;
    if (config && node(*config).kind == ValueKind::String) file_.set_attribute("", "config", node(*config).text);
  }

  /// How often each value is mentioned, up to twice.
  void count_uses() {
    mentions_.assign(document_.size(), 0);
    const auto mention = [&](NodeId id) {
      if (mentions_[id] < 2) ++mentions_[id];
    };
    mention(document_.root);
    mention(document_.metadata);
    for (const NodeId id : reachable_nodes(document_)) {
      const Node& of = node(id);
      for (const NodeId item : of.items) mention(item);
      if (!of.object) continue;
      for (const auto* part : {&of.object->entries, &of.object->elements, &of.object->states}) {
        for (const NodeId item : *part) mention(item);
      }
    }
  }

  void save_parameters() {
    for (const auto& [label, id] : parameter_nodes(document_, state_dict_)) {
      const std::string path = fmt::format("{}/{}", kStateDictGroup, escape_link(label));
      tensors_.place(node(id), path, true);
      parameters_.emplace(id, path);
    }
  }

  /// A path under /tensors that says where in the structure its values are: "optimizer_states.0.state.1.exp_avg".
  std::string fresh_path() {
    std::string label;
    for (const Step& step : steps_) {
      if (label.size() > kMaximumLabel) break;
      if (!label.empty()) label += ".";
      label += step.key == 0 ? std::to_string(step.index) : key_text(document_, step.key);
    }
    return fmt::format("{}/{}", kTensorsGroup, escape_link(names_.take(label.empty() ? "value" : label)));
  }

  void open(std::string_view kind) {
    json_ += "{\"";
    json_ += kKindName;
    json_ += "\":\"";
    json_ += kind;
    json_ += "\"";
  }
  void text_member(std::string_view name, std::string_view text) {
    json_ += fmt::format(",\"{}\":{}", name, json_string(text));
  }

  void save_text(const std::string& text) {
    if (is_utf8(text)) {
      json_ += json_string(text);
      return;
    }
    open("text");
    text_member("hex", hex(text));
    json_ += "}";
  }

  void save_bytes(const Node& value) {
    open(value.resolved ? "bytearray" : "bytes");
    if (value.text.size() <= kInlineBytes) {
      text_member("base64", base64(value.text));
    } else {
      const std::string path = fresh_path();
      Tensor values = empty({static_cast<int64_t>(value.text.size())}, {.dtype = DType::UInt8});
      std::copy(value.text.begin(), value.text.end(), static_cast<char*>(values.raw_data()));
      file_.write(path, values);
      text_member("at", path);
    }
    json_ += "}";
  }

  void save_float(double value) {
    if (value == value && value - value == 0) {
      json_ += float_text(value);
    } else {
      open("float");
      text_member("is", float_text(value));
      json_ += "}";
    }
  }

  void save_items(const std::vector<NodeId>& items, int depth) {
    json_ += "[";
    for (size_t i = 0; i < items.size(); ++i) {
      if (i != 0) json_ += ",";
      steps_.push_back({0, i});
      save(items[i], depth + 1);
      steps_.pop_back();
    }
    json_ += "]";
  }

  /// A long list or tuple of nothing but floats is one dataset.
  bool save_numbers(const std::vector<NodeId>& items, std::string_view kind) {
    if (items.size() <= kInlineNumbers) return false;
    for (const NodeId item : items) {
      if (node(item).kind != ValueKind::Float) return false;
    }
    Tensor values = empty({static_cast<int64_t>(items.size())}, {.dtype = DType::Float64});
    for (size_t i = 0; i < items.size(); ++i) values.data<double>()[i] = node(items[i]).real;
    const std::string path = fresh_path();
    file_.write(path, values);
    open(kind);
    text_member("at", path);
    json_ += "}";
    return true;
  }

  void save_sequence(const std::vector<NodeId>& items, std::string_view kind, int depth) {
    const bool numbers = kind == "list" || kind == "tuple";
    if (numbers && save_numbers(items, kind)) return;
    if (kind == "list") return save_items(items, depth);
    open(kind);
    json_ += ",\"items\":";
    save_items(items, depth);
    json_ += "}";
  }

  /// Whether a JSON object can have these keys: texts, each once, none of which looks like a kind.
  bool are_names(const std::vector<NodeId>& entries) const {
    std::unordered_set<std::string_view> seen;
    for (size_t i = 0; i + 1 < entries.size(); i += 2) {
      const Node& key = node(entries[i]);
      const bool name = key.kind == ValueKind::String && !key.text.starts_with(kKindName) && is_utf8(key.text);
      if (!name || !seen.insert(key.text).second) return false;
    }
    return true;
  }

  /// {"a":1} where `names`, otherwise [["a",1]].
  void save_entries(const std::vector<NodeId>& entries, bool names, int depth) {
    json_ += names ? "{" : "[";
    for (size_t i = 0; i + 1 < entries.size(); i += 2) {
      if (i != 0) json_ += ",";
      if (names) {
        json_ += json_string(node(entries[i]).text) + ":";
      } else {
        json_ += "[";
        steps_.push_back({0, i / 2});
        save(entries[i], depth + 1);
        steps_.pop_back();
        json_ += ",";
      }
      steps_.push_back({entries[i], 0});
      save(entries[i + 1], depth + 1);
      steps_.pop_back();
      if (!names) json_ += "]";
    }
    json_ += names ? "}" : "]";
  }

  void entries_member(const std::vector<NodeId>& entries, int depth) {
    const bool names = are_names(entries);
    json_ += names ? ",\"entries\":" : ",\"items\":";
    save_entries(entries, names, depth);
  }

  void save_dict(const std::vector<NodeId>& entries, int depth) {
    if (are_names(entries)) return save_entries(entries, true, depth);
    open("dict");
    entries_member(entries, depth);
    json_ += "}";
  }

  void save_object(NodeId id, int depth) {
    const Node& object = node(id);
    const ObjectParts* parts = object.object.get();
    const std::string_view type = document_.type_name(id);
    const auto list = [&](const char* name, const std::vector<NodeId>& items) {
      if (items.empty()) return;
      json_ += fmt::format(",\"{}\":", name);
      save_items(items, depth);
    };
    if (type == kOrderedDict) {
      open("ordered_dict");
      entries_member(document_.entries(id), depth);
    } else {
      open("object");
      text_member("type", printable(type, 1000));
      if (object.items.size() > 1) list("args", node(object.items[1]).items);
      if (object.items.size() > 2) list("kwargs", {object.items[2]});
      if (parts != nullptr) list("elements", parts->elements);
      if (parts != nullptr && !parts->entries.empty()) entries_member(parts->entries, depth);
    }
    if (parts != nullptr) list("states", parts->states);
    json_ += "}";
  }

  /// The state dict's place in the structure; its tensors are under /state_dict already.
  bool save_state_dict(NodeId id, int depth) {
    if (id != state_dict_) return false;
    const auto& entries = document_.entries(id);
    for (size_t i = 0; i + 1 < entries.size(); i += 2) {
      if (node(entries[i]).kind != ValueKind::String || node(entries[i + 1]).kind != ValueKind::Tensor) return false;
    }
    const bool ordered = document_.type_name(id) == kOrderedDict;
    if (!ordered && node(id).kind != ValueKind::Dict) return false;
    open(ordered ? "ordered_state_dict" : "state_dict");
    if (ordered && node(id).object && !node(id).object->states.empty()) {
      json_ += ",\"states\":";
      save_items(node(id).object->states, depth);
    }
    json_ += "}";
    return true;
  }

  bool can_be_shared(const Node& of) const {
    switch (of.kind) {
      case ValueKind::List:
      case ValueKind::Dict:
      case ValueKind::Set:
      case ValueKind::Object:
        return true;
      case ValueKind::Tuple:
      case ValueKind::FrozenSet:
        return !of.items.empty();
      case ValueKind::String:
      case ValueKind::Bytes:
        return of.text.size() > kSharedText;
      default:
        return false;
    }
  }

  void save(NodeId id, int depth) {
    check(depth <= kMaximumWrittenDepth, "{}: nested more than {} deep", document_.source(), kMaximumWrittenDepth);
    check(++saved_ <= kMaximumWrittenSaved && json_.size() <= kMaximumWrittenText,
          "{}: the structure unfolds to more than {} values or {} MiB of text", document_.source(),
          kMaximumWrittenSaved, kMaximumWrittenText >> 20);
    if (mentions_[id] < 2 || !can_be_shared(node(id))) return save_value(id, depth);
    const auto [at, added] = shared_.emplace(id, shared_.size());
    if (!added) {
      open("ref");
      json_ += fmt::format(",\"to\":{}}}", at->second);
      return;
    }
    open("shared");
    json_ += fmt::format(",\"id\":{},\"value\":", at->second);
    save_value(id, depth);
    json_ += "}";
  }

  void save_value(NodeId id, int depth) {
    const Node& value = node(id);
    switch (value.kind) {
      case ValueKind::None:
        json_ += "null";
        return;
      case ValueKind::Bool:
        json_ += value.integer != 0 ? "true" : "false";
        return;
      case ValueKind::Int:
        json_ += std::to_string(value.integer);
        return;
      case ValueKind::BigInt:
        open("int");
        text_member("hex", hex(value.text));
        json_ += "}";
        return;
      case ValueKind::Float:
        return save_float(value.real);
      case ValueKind::Complex:
        open("complex");
        json_ += ",\"items\":";
        save_items(value.items, depth);
        json_ += "}";
        return;
      case ValueKind::String:
        return save_text(value.text);
      case ValueKind::Bytes:
        return save_bytes(value);
      case ValueKind::List:
        return save_sequence(value.items, "list", depth);
      case ValueKind::Tuple:
        return save_sequence(value.items, "tuple", depth);
      case ValueKind::Set:
        return save_sequence(value.items, "set", depth);
      case ValueKind::FrozenSet:
        return save_sequence(value.items, "frozenset", depth);
      case ValueKind::Dict:
        if (!save_state_dict(id, depth)) save_dict(value.items, depth);
        return;
      case ValueKind::Global:
        open("global");
        text_member("type", printable(value.text, 1000));
        json_ += "}";
        return;
      case ValueKind::Object:
        if (!save_state_dict(id, depth)) save_object(id, depth);
        return;
      case ValueKind::Persistent:
        fail("{}: an unresolved reference cannot be written", document_.source());
      case ValueKind::Tensor: {
        const auto known = parameters_.find(id);
        open("tensor");
        text_member("at", known != parameters_.end() ? known->second : tensors_.place(value, fresh_path(), false));
        json_ += "}";
        return;
      }
    }
  }

  struct Step {
    NodeId key = 0;  // of an entry; 0: the item of this index
    size_t index = 0;
  };

  const Document& document_;
  Hdf5Writer file_;
  PlacedTensors tensors_;
  std::string json_;
  NodeId state_dict_ = 0;
  uint64_t saved_ = 0;
  std::vector<Step> steps_;
  UniqueNames names_;
  std::vector<uint8_t> mentions_;
  std::unordered_map<NodeId, size_t> shared_;
  std::unordered_map<NodeId, std::string> parameters_;  // where they lie
};

}  // namespace

void write_hdf5_document(const std::string& path, const Document& document) {
  DocumentWriter(path, document).run();
}

}  // namespace bevgrad
