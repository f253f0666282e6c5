// The structure of format version 2: docs/file_formats.md describes it. The JSON becomes nodes as it lies there, a
// dictionary whose first name is "$" then what that says.
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <utility>

#include "base/text.h"
#include "formats/hdf5/document_layout.h"
#include "hdf5/internal/document_parts.h"
#include "internal/base64.h"
#include "pickle/internal/numbers.h"

namespace bevgrad {

namespace {

constexpr size_t kMaximumJsonDepth = 2000;
constexpr int kMaximumJsonHops = 8;

using JsonValue = nlohmann::json;

/// Takes the parser's events.
class Builder : public nlohmann::json_sax<JsonValue> {
 public:
  explicit Builder(DatasetValues& values) : values_(values), document_(values.document()) {}

  NodeId root = 0;
  std::string problem;

  bool null() override { return put(document_.add({})); }
  bool boolean(bool value) override { return put(document_.make_bool(value)); }
  bool number_integer(number_integer_t value) override { return put(document_.make_int(value)); }
  bool number_unsigned(number_unsigned_t value) override {
    if (value > INT64_MAX) return refuse("an integer past 64 bits");
    return put(document_.make_int(static_cast<int64_t>(value)));
  }
  bool number_float(number_float_t value, const string_t&) override { return put(document_.make_float(value)); }
  bool string(string_t& value) override { return put(document_.make_string(std::move(value))); }
  bool binary(binary_t&) override { return refuse("bytes"); }
  bool start_object(size_t) override { return open(document_.make_dict()); }
  bool start_array(size_t) override { return open(document_.make_list()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& value) override {
    values_.count(1, kDocument);
    key_ = document_.make_string(std::move(value));
    return true;
  }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return refuse(fmt::format("broken JSON at byte {}", position).c_str());
  }

 private:
  bool refuse(const char* what) {
    if (problem.empty()) problem = what;
    return false;
  }

  bool put(NodeId id) {
    values_.count(1, kDocument);
    if (open_.empty()) {
      root = id;
    } else if (Node& container = document_.node(open_.back()); container.kind == ValueKind::List) {
      container.items.push_back(id);
    } else {
      container.items.push_back(key_);
      container.items.push_back(id);
    }
    return true;
  }
  bool open(NodeId id) {
    if (open_.size() >= kMaximumJsonDepth) return refuse("nested too deeply");
    put(id);
    open_.push_back(id);
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  DatasetValues& values_;
  Document& document_;
  std::vector<NodeId> open_;
  NodeId key_ = 0;
};

/// Turns the dictionaries that stand for something else into that, in place.
class Decoder {
 public:
  Decoder(DatasetValues& values, NodeId first) : values_(values), document_(values.document()), first_(first) {}

  void run() {
    const auto end = static_cast<NodeId>(document_.size());
    for (NodeId id = first_; id < end; ++id) {
      const Node& of = node(id);
      const bool marked = of.kind == ValueKind::Dict && !of.items.empty() && node(of.items[0]).text == kKindName;
      if (marked) decode(id);
    }
    redirect();
  }

 private:
  const Node& node(NodeId id) const { return document_.node(id); }
  [[noreturn]] void wrong(std::string_view kind, std::string_view what) const {
    values_.wrong(kDocument, "a {}: {}", printable(kind, 40), what);
  }

  /// A member of a marked dictionary, or null.
  const NodeId* member(const Node& of, std::string_view name) const {
    for (size_t i = 2; i + 1 < of.items.size(); i += 2) {
      if (node(of.items[i]).text == name) return &of.items[i + 1];
    }
    return nullptr;
  }
  const NodeId& needed(const Node& of, std::string_view name, ValueKind kind) const {
    const NodeId* found = member(of, name);
    if (found == nullptr || node(*found).kind != kind) wrong(node(of.items[1]).text, fmt::format("no {}", name));
    return *found;
  }
  const std::string& text(const Node& of, std::string_view name) const {
    return node(needed(of, name, ValueKind::String)).text;
  }
  std::vector<NodeId> list(const Node& of, std::string_view name) const {
    const NodeId* found = member(of, name);
    if (found == nullptr) return {};
    if (node(*found).kind != ValueKind::List) wrong(node(of.items[1]).text, fmt::format("{} that are no list", name));
    return node(*found).items;
  }

  /// Key, value, key, value, ... of "entries" or "items".
  std::vector<NodeId> entries(const Node& of) const {
    if (const NodeId* found = member(of, "entries"); found != nullptr) {
      if (node(*found).kind != ValueKind::Dict) wrong(node(of.items[1]).text, "entries that are no dictionary");
      return node(*found).items;
    }
    std::vector<NodeId> out;
    for (const NodeId pair : list(of, "items")) {
      if (node(pair).kind != ValueKind::List || node(pair).items.size() != 2) {
        wrong(node(of.items[1]).text, "an entry that is no pair");
      }
      out.push_back(node(pair).items[0]);
      out.push_back(node(pair).items[1]);
    }
    return out;
  }

  std::string from_hex(const std::string& digits, std::string_view kind) const {
    std::string out;
    const auto digit = [&](char c) {
      if (c >= '0' && c <= '9') return c - '0';
      if (c >= 'a' && c <= 'f') return c - 'a' + 10;
      wrong(kind, "broken hexadecimal digits");
    };
    if (digits.size() % 2 != 0) wrong(kind, "broken hexadecimal digits");
    for (size_t i = 0; i < digits.size(); i += 2) {
      out.push_back(static_cast<char>(digit(digits[i]) * 16 + digit(digits[i + 1])));
    }
    return out;
  }

  void become(NodeId id, Node fresh) {
    fresh.position = node(id).position;
    document_.node(id) = std::move(fresh);
  }
  void become_container(NodeId id, ValueKind kind, std::vector<NodeId> items) {
    become(id, {.kind = kind, .items = std::move(items)});
  }

  void decode_bytes(NodeId id, std::string_view kind) {
    const Node& of = node(id);
    std::string bytes;
    if (member(of, "at") != nullptr) {
      bytes = values_.bytes(text(of, "at"));
    } else if (auto decoded = from_base64(text(of, "base64"))) {
      bytes = *std::move(decoded);
    } else {
      wrong(kind, "broken base64");
    }
    become(id, {.kind = ValueKind::Bytes, .resolved = kind == "bytearray", .text = std::move(bytes)});
  }

  void decode_sequence(NodeId id, ValueKind kind) {
    const Node& of = node(id);
    become_container(id, kind, member(of, "at") != nullptr ? values_.numbers(text(of, "at")) : list(of, "items"));
  }

  void decode_ordered_dict(NodeId id, std::vector<NodeId> entries) {
    std::vector<NodeId> states = list(node(id), "states");
    Node fresh = std::move(document_.node(document_.make_ordered_dict()));
    fresh.object->entries = std::move(entries);
    fresh.object->states = std::move(states);
    become(id, std::move(fresh));
  }

  std::vector<NodeId> parameters() {
    if (std::exchange(parameters_read_, true)) values_.wrong(kDocument, "the state dict is there twice");
    std::vector<NodeId> out;
    for (const std::string& member : values_.file().members(kStateDictGroup)) {
      values_.count(2, member);
      out.push_back(document_.make_string(unescape_link(member)));
      out.push_back(values_.tensor(fmt::format("{}/{}", kStateDictGroup, member)));
    }
    return out;
  }

  void decode_object(NodeId id) {
    const Node& of = node(id);
    Node fresh{.kind = ValueKind::Object};
    fresh.object = std::make_unique<ObjectParts>();
    fresh.object->entries = entries(of);
    fresh.object->elements = list(of, "elements");
    fresh.object->states = list(of, "states");
    const NodeId type = document_.add({.kind = ValueKind::Global, .text = text(of, "type")});
    fresh.items = {type, document_.make_tuple(list(of, "args"))};
    for (const NodeId kwargs : list(of, "kwargs")) fresh.items.push_back(kwargs);
    become(id, std::move(fresh));
  }

  void decode_complex(NodeId id) {
    std::vector<NodeId> parts = list(node(id), "items");
    if (parts.size() != 2) wrong("complex", "not two parts");
    for (const NodeId part : parts) {
      // A part that is no finite number comes later in the file than this node, and is a dictionary still.
      const Node& of = node(part);
      if (of.kind == ValueKind::Dict && !of.items.empty() && node(of.items[0]).text == kKindName) decode(part);
      if (node(part).kind != ValueKind::Float) wrong("complex", "a part that is no number");
    }
    become_container(id, ValueKind::Complex, std::move(parts));
  }

  void decode(NodeId id) {
    const Node& of = node(id);
    const std::string kind = node(of.items[1]).text;
    if (kind == "ref" || kind == "shared") return decode_shared(id, kind);
    if (kind == "tensor") {
      const NodeId tensor = values_.tensor(text(of, "at"));
      moved_.emplace(id, tensor);
    } else if (kind == "list") {
      decode_sequence(id, ValueKind::List);
    } else if (kind == "tuple") {
      decode_sequence(id, ValueKind::Tuple);
    } else if (kind == "set") {
      decode_sequence(id, ValueKind::Set);
    } else if (kind == "frozenset") {
      decode_sequence(id, ValueKind::FrozenSet);
    } else if (kind == "dict") {
      become_container(id, ValueKind::Dict, entries(of));
    } else if (kind == "ordered_dict") {
      decode_ordered_dict(id, entries(of));
    } else if (kind == "ordered_state_dict") {
      decode_ordered_dict(id, parameters());
    } else if (kind == "state_dict") {
      become_container(id, ValueKind::Dict, parameters());
    } else if (kind == "object") {
      decode_object(id);
    } else if (kind == "bytes" || kind == "bytearray") {
      decode_bytes(id, kind);
    } else if (kind == "text") {
      become(id, {.kind = ValueKind::String, .text = from_hex(text(of, "hex"), kind)});
    } else if (kind == "int") {
      become(id, {.kind = ValueKind::BigInt, .text = from_hex(text(of, "hex"), kind)});
    } else if (kind == "global") {
      become(id, {.kind = ValueKind::Global, .text = text(of, "type")});
    } else if (kind == "complex") {
      decode_complex(id);
    } else if (kind == "float") {
      const auto value = parse_float(text(of, "is"));
      if (!value) wrong(kind, "no number");
      become(id, {.kind = ValueKind::Float, .real = *value});
    } else {
      values_.wrong(kDocument, "unknown kind '{}'", printable(kind, 40));
    }
  }

  void decode_shared(NodeId id, const std::string& kind) {
    const Node& of = node(id);
    if (kind == "ref") {
      refs_.emplace(id, node(needed(of, "to", ValueKind::Int)).integer);
      return;
    }
    const NodeId* value = member(of, "value");
    if (value == nullptr) wrong(kind, "no value");
    moved_.emplace(id, *value);
    shared_.emplace(node(needed(of, "id", ValueKind::Int)).integer, *value);
  }

  /// Where a mention leads.
  NodeId target(NodeId id) const {
    for (int hops = 0; hops < kMaximumJsonHops; ++hops) {
      if (const auto moved = moved_.find(id); moved != moved_.end()) {
        id = moved->second;
      } else if (const auto ref = refs_.find(id); ref != refs_.end()) {
        const auto shared = shared_.find(ref->second);
        if (shared == shared_.end()) values_.wrong(kDocument, "a reference to {}, which is not there", ref->second);
        id = shared->second;
      } else {
        return id;
      }
    }
    values_.wrong(kDocument, "references in a circle");
  }

  void redirect() {
    const auto all = [&](std::vector<NodeId>& ids) {
      for (NodeId& id : ids) id = target(id);
    };
    for (NodeId id = first_; id < document_.size(); ++id) {
      Node& of = document_.node(id);
      all(of.items);
      if (!of.object) continue;
      all(of.object->entries);
      all(of.object->elements);
      all(of.object->states);
    }
  }

  DatasetValues& values_;
  Document& document_;
  NodeId first_;
  bool parameters_read_ = false;
  std::unordered_map<NodeId, NodeId> moved_;
  std::unordered_map<NodeId, int64_t> refs_;
  std::unordered_map<int64_t, NodeId> shared_;
};

}  // namespace

void read_json_document(DatasetValues& values) {
  Document& document = values.document();
  const std::string text = values.file().read_text(kDocument);
  values.charge(kDocument, text.size());
  const auto first = static_cast<NodeId>(document.size());
  Builder builder(values);
  if (!JsonValue::sax_parse(text, &builder)) values.wrong(kDocument, "{}", builder.problem);
  const Node& top = document.node(builder.root);
  const bool whole =
      top.kind == ValueKind::Dict && document.find(builder.root, "root") && document.find(builder.root, "metadata");
  if (!whole) values.wrong(kDocument, "no root and metadata");
  Decoder(values, first).run();
  document.root = *document.find(builder.root, "root");
  document.metadata = *document.find(builder.root, "metadata");
}

}  // namespace bevgrad
