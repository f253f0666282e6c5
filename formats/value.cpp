#include "formats/value.h"

#include <cmath>

#include "base/error.h"

namespace bevgrad {

namespace {

constexpr int kMaximumNesting = 64;  // of the sequences that as_doubles flattens
constexpr size_t kMaximumNumbers = 1 << 26;

const std::vector<NodeId> kNothing;

}  // namespace

std::string_view name(ValueKind kind) {
  switch (kind) {
    case ValueKind::None:
      return "None";
    case ValueKind::Bool:
      return "bool";
    case ValueKind::Int:
      return "int";
    case ValueKind::BigInt:
      return "big int";
    case ValueKind::Float:
      return "float";
    case ValueKind::Complex:
      return "complex";
    case ValueKind::String:
      return "string";
    case ValueKind::Bytes:
      return "bytes";
    case ValueKind::List:
      return "list";
    case ValueKind::Tuple:
      return "tuple";
    case ValueKind::Dict:
      return "dict";
    case ValueKind::Set:
      return "set";
    case ValueKind::FrozenSet:
      return "frozenset";
    case ValueKind::Global:
      return "global";
    case ValueKind::Object:
      return "object";
    case ValueKind::Persistent:
      return "persistent reference";
    case ValueKind::Tensor:
      return "tensor";
  }
  return "unknown";
}

Document::Document(std::string source) : source_(std::move(source)) {
  nodes_.emplace_back();
}

NodeId Document::add(Node node) {
  check(nodes_.size() < UINT32_MAX, "{}: more than 4 billion values", source_);
  nodes_.push_back(std::move(node));
  return static_cast<NodeId>(nodes_.size() - 1);
}

NodeId Document::make_bool(bool value) {
  return add({.kind = ValueKind::Bool, .integer = value});
}
NodeId Document::make_int(int64_t value) {
  return add({.kind = ValueKind::Int, .integer = value});
}
NodeId Document::make_float(double value) {
  return add({.kind = ValueKind::Float, .real = value});
}
NodeId Document::make_complex(double real, double imaginary) {
  return add({.kind = ValueKind::Complex, .items = {make_float(real), make_float(imaginary)}});
}
NodeId Document::make_string(std::string value) {
  return add({.kind = ValueKind::String, .text = std::move(value)});
}
NodeId Document::make_bytes(std::string value) {
  return add({.kind = ValueKind::Bytes, .text = std::move(value)});
}
NodeId Document::make_list(std::vector<NodeId> items) {
  return add({.kind = ValueKind::List, .items = std::move(items)});
}
NodeId Document::make_tuple(std::vector<NodeId> items) {
  return add({.kind = ValueKind::Tuple, .items = std::move(items)});
}
NodeId Document::make_dict() {
  return add({.kind = ValueKind::Dict});
}

NodeId Document::make_ordered_dict() {
  const NodeId type = add({.kind = ValueKind::Global, .text = "collections.OrderedDict"});
  Node object{.kind = ValueKind::Object, .items = {type, make_tuple()}};
  object.object = std::make_unique<ObjectParts>();
  return add(std::move(object));
}

NodeId Document::make_tensor(StoredTensor tensor) {
  Node node{.kind = ValueKind::Tensor};
  node.tensor = std::make_unique<StoredTensor>(std::move(tensor));
  return add(std::move(node));
}

void Document::insert(NodeId dict, NodeId key, NodeId value) {
  Node& target = node(dict);
  check(target.kind == ValueKind::Dict || target.kind == ValueKind::Object, "{}: an entry cannot go into a {}", source_,
        name(target.kind));
  std::vector<NodeId>* entries = &target.items;
  if (target.kind == ValueKind::Object) {
    if (!target.object) target.object = std::make_unique<ObjectParts>();
    entries = &target.object->entries;
  }
  entries->push_back(key);
  entries->push_back(value);
}

void Document::append(NodeId list, NodeId item) {
  Node& target = node(list);
  check(target.kind == ValueKind::List, "{}: a {} cannot be appended to", source_, name(target.kind));
  target.items.push_back(item);
}

const std::vector<NodeId>& Document::entries(NodeId id) const {
  const Node& from = node(id);
  if (from.kind == ValueKind::Dict) return from.items;
  return from.kind == ValueKind::Object && from.object ? from.object->entries : kNothing;
}

std::optional<NodeId> Document::find(NodeId dict, std::string_view key) const {
  const std::vector<NodeId>& all = entries(dict);
  for (size_t i = all.size(); i >= 2; i -= 2) {
    const Node& candidate = node(all[i - 2]);
    if (candidate.kind == ValueKind::String && candidate.text == key) return all[i - 1];
  }
  return std::nullopt;
}

std::string_view Document::type_name(NodeId id) const {
  const Node* of = &node(id);
  for (int hops = 0; of->kind == ValueKind::Object && !of->items.empty() && hops < 4; ++hops) of = &node(of->items[0]);
  switch (of->kind) {
    case ValueKind::Global:
    case ValueKind::Tensor:
    case ValueKind::Bool:
    case ValueKind::Int:
    case ValueKind::Float:
      return of->text;
    default:
      return {};
  }
}

bool Document::is_mapping(NodeId id) const {
  const Node& of = node(id);
  if (of.kind == ValueKind::Dict) return true;
  if (of.kind != ValueKind::Object) return false;
  if (of.object && !of.object->entries.empty()) return true;
  const std::string_view type = type_name(id);
  return type == "collections.OrderedDict" || type == "collections.defaultdict" || type == "collections.Counter";
}

Value::Value(std::shared_ptr<const Document> document, NodeId id, std::string path)
    : document_(std::move(document)), id_(id), path_(std::move(path)) {}

Value Value::root(std::shared_ptr<const Document> document) {
  const NodeId id = document->root;
  return Value(std::move(document), id);
}

const Node& Value::node() const {
  static const Node none;
  return document_ ? document_->node(id_) : none;
}

std::string Value::where() const {
  const std::string source = document_ ? document_->source() : "";
  if (path_.empty()) return source.empty() ? "the root" : source;
  return source.empty() ? path_ : source + ": " + path_;
}

void Value::wrong(std::string_view expected) const {
  const std::string_view type = type_name();
  if (type.empty()) fail("{} is a {}, expected {}", where(), name(kind()), expected);
  fail("{} is a {} ({}), expected {}", where(), name(kind()), type, expected);
}

bool Value::is_number() const {
  const ValueKind k = kind();
  return k == ValueKind::Bool || k == ValueKind::Int || k == ValueKind::Float;
}

bool Value::is_mapping() const {
  return document_ && document_->is_mapping(id_);
}

bool Value::is_sequence() const {
  switch (kind()) {
    case ValueKind::List:
    case ValueKind::Tuple:
    case ValueKind::Set:
    case ValueKind::FrozenSet:
      return true;
    case ValueKind::Object:
      return node().object && !node().object->elements.empty();
    default:
      return false;
  }
}

std::string_view Value::type_name() const {
  return document_ ? document_->type_name(id_) : std::string_view();
}

size_t Value::size() const {
  if (is_mapping()) return document_->entries(id_).size() / 2;
  if (is_sequence()) return kind() == ValueKind::Object ? node().object->elements.size() : node().items.size();
  wrong("something with elements");
}

Value Value::at(size_t index) const {
  if (!is_sequence()) wrong("a list or tuple");
  const std::vector<NodeId>& elements = kind() == ValueKind::Object ? node().object->elements : node().items;
  check(index < elements.size(), "{} has {} elements, [{}] was asked for", where(), elements.size(), index);
  return Value(document_, elements[index], fmt::format("{}[{}]", path_, index));
}

Value Value::at(int index) const {
  check(index >= 0, "{}: index {} is negative", where(), index);
  return at(static_cast<size_t>(index));
}

std::optional<Value> Value::find(std::string_view key) const {
  if (!is_mapping()) wrong("a dict");
  const auto found = document_->find(id_, key);
  if (!found) return std::nullopt;
  return Value(document_, *found, path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key));
}

Value Value::at(std::string_view key) const {
  auto found = find(key);
  check(found.has_value(), "{} has no entry '{}'", where(), key);
  return *std::move(found);
}

std::vector<std::pair<Value, Value>> Value::entries() const {
  if (!is_mapping()) wrong("a dict");
  const std::vector<NodeId>& all = document_->entries(id_);
  std::vector<std::pair<Value, Value>> out;
  out.reserve(all.size() / 2);
  for (size_t i = 0; i + 1 < all.size(); i += 2) {
    const Node& key = document_->node(all[i]);
    std::string label = fmt::format("[{}]", i / 2);
    if (key.kind == ValueKind::String) label = path_.empty() ? key.text : "." + key.text;
    if (key.kind == ValueKind::Int) label = fmt::format("[{}]", key.integer);
    out.emplace_back(Value(document_, all[i], path_ + " key"), Value(document_, all[i + 1], path_ + label));
  }
  return out;
}

bool Value::as_bool() const {
  if (kind() != ValueKind::Bool) wrong("a bool");
  return node().integer != 0;
}

int64_t Value::as_int() const {
  if (kind() == ValueKind::Int || kind() == ValueKind::Bool) return node().integer;
  if (kind() != ValueKind::Float && kind() != ValueKind::Tensor) wrong("an integer");
  const double value = as_double();
  if (!(std::abs(value) < 9e15) || value != std::floor(value)) wrong("a whole number");
  return static_cast<int64_t>(value);
}

double Value::as_double() const {
  if (kind() == ValueKind::Int || kind() == ValueKind::Bool) return static_cast<double>(node().integer);
  if (kind() == ValueKind::Float) return node().real;
  if (kind() == ValueKind::Tensor && node().tensor->numel() == 1) return as_doubles()[0];
  wrong("a number");
}

const std::string& Value::as_string() const {
  if (kind() != ValueKind::String) wrong("a string");
  return node().text;
}

const std::string& Value::as_bytes() const {
  if (kind() != ValueKind::Bytes && kind() != ValueKind::String) wrong("bytes");
  return node().text;
}

const StoredTensor& Value::as_stored_tensor() const {
  if (kind() != ValueKind::Tensor) wrong("a tensor");
  return *node().tensor;
}

Tensor Value::as_tensor() const {
  return to_tensor(as_stored_tensor(), where());
}

std::vector<double> Value::as_doubles() const {
  std::vector<double> out;
  // Depth first without recursion: the elements still to come, and how deep they lie.
  std::vector<std::pair<NodeId, int>> open{{id_, 0}};
  while (!open.empty()) {
    const auto [id, depth] = open.back();
    open.pop_back();
    const Value value(document_, id, id == id_ ? path_ : path_ + "[...]");
    check(depth <= kMaximumNesting && out.size() + open.size() < kMaximumNumbers, "{}: nested too deeply or too long",
          where());
    if (value.is_tensor()) {
      const StoredTensor& tensor = value.as_stored_tensor();
      check(tensor.numel() >= 0 && static_cast<size_t>(tensor.numel()) < kMaximumNumbers, "{}: too many numbers",
            where());
      const size_t step = item_size(tensor.dtype);
      for_each_piece(tensor, [&](std::span<const std::byte> piece) {
        for (size_t i = 0; i < piece.size(); i += step) out.push_back(to_double(tensor.dtype, &piece[i]));
      });
    } else if (value.is_sequence()) {
      for (size_t i = value.size(); i > 0; --i) open.emplace_back(value.at(i - 1).id(), depth + 1);
    } else {
      out.push_back(value.as_double());
    }
  }
  return out;
}

std::vector<double> Value::as_doubles(size_t count) const {
  std::vector<double> out = as_doubles();
  check(out.size() == count, "{} has {} numbers, expected {}", where(), out.size(), count);
  return out;
}

}  // namespace bevgrad
