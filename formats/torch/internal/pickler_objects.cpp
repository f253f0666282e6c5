// Objects, sets and the keys of dictionaries: what torch.load(weights_only=True) makes of a class, and what has to
// become something plainer.
#include <algorithm>
#include <array>

#include "base/error.h"
#include "pickle/internal/opcodes.h"
#include "torch/internal/pickler.h"
#include "torch/internal/rebuild.h"

namespace bevgrad {

namespace {

constexpr int kMaximumKeyDepth = 20;

/// A call and nothing after it.
bool is_bare_call(const Node& node) {
  const auto& parts = node.object;
  return node.items.size() == 2 &&
         (!parts || (parts->states.empty() && parts->elements.empty() && parts->entries.empty()));
}

}  // namespace

bool is_kept_call(std::string_view name) {
  static constexpr std::array<std::string_view, 4> kCalls{
      "torch._utils._rebuild_sparse_tensor", "torch._utils._rebuild_nested_tensor", "torch._utils._rebuild_qtensor",
      "torch.serialization._get_layout"};
  return std::find(kCalls.begin(), kCalls.end(), name) != kCalls.end();
}

void TorchPickler::save_set(NodeId id, int depth) {
  const std::vector<NodeId>& items = document_.node(id).items;
  UniqueNames texts = texts_among(items, 1);
  // torch.load accepts the class set, not frozenset.
  global("__builtin__", "set");
  byte(opcode::EmptyList);
  byte(opcode::Mark);
  for (const NodeId item : items) save_hashable(item, texts, depth + 1);
  byte(opcode::Appends);
  byte(opcode::Tuple1);
  byte(opcode::Reduce);
  put(id);
}

/// Every `step`-th value that is a text: others that become texts must differ from them.
UniqueNames TorchPickler::texts_among(const std::vector<NodeId>& ids, size_t step) const {
  UniqueNames texts;
  bool needed = false;
  for (size_t i = 0; i < ids.size(); i += step) needed = needed || !is_hashable(ids[i], 0);
  for (size_t i = 0; needed && i < ids.size(); i += step) {
    if (const Node& node = document_.node(ids[i]); node.kind == ValueKind::String) texts.take(node.text);
  }
  return texts;
}

/// Whether what is written for a value can be a key once torch.load(weights_only=True) has made it.
bool TorchPickler::is_hashable(NodeId id, int depth) const {
  const Node& node = document_.node(id);
  switch (node.kind) {
    case ValueKind::Tuple:
      return depth < kMaximumKeyDepth && std::all_of(node.items.begin(), node.items.end(),
                                                     [&](NodeId item) { return is_hashable(item, depth + 1); });
    case ValueKind::List:
    case ValueKind::Dict:
    case ValueKind::Set:
    case ValueKind::FrozenSet:
      return false;
    case ValueKind::Bytes:
      return !node.resolved;
    case ValueKind::Object: {
      const std::string_view type = document_.type_name(id);
      return ((type == "torch.Size" || type == "torch.device") && is_bare_call(node)) || type.starts_with("pathlib.");
    }
    default:
      return true;
  }
}

void TorchPickler::save_hashable(NodeId id, UniqueNames& texts, int depth) {
  if (is_hashable(id, 0)) return save(id, depth);
  ++text_keys_;
  save_string(texts.take(value_text(document_, id)));
}

/// An object of a class that torch.load does not accept: a dictionary that says what it was.
void TorchPickler::save_foreign_object(NodeId id, int depth) {
  const Node& node = document_.node(id);
  byte(opcode::EmptyDict);
  put(id);
  byte(opcode::Mark);
  save_string("__class__");
  save_string(document_.type_name(id));
  const auto list = [&](const char* key, const std::vector<NodeId>& items) {
    if (items.empty()) return;
    save_string(key);
    byte(opcode::EmptyList);
    save_items(items, depth + 1);
  };
  if (node.items.size() > 1) list("args", document_.node(node.items[1]).items);
  if (node.items.size() > 2) list("kwargs", {node.items[2]});
  if (node.object) {
    list("state", node.object->states);
    list("elements", node.object->elements);
    if (!node.object->entries.empty()) {
      save_string("entries");
      byte(opcode::EmptyDict);
      save_entries(node.object->entries, depth + 1);
    }
  }
  byte(opcode::SetItems);
}

/// An object of a class of dictionaries (Lightning's AttributeDict) that has entries and nothing else.
bool TorchPickler::is_plain_mapping(const Node& node) const {
  return node.object && !node.object->entries.empty() && node.object->states.empty() && node.object->elements.empty() &&
         node.items.size() == 2 && document_.node(node.items[1]).items.empty();
}

void TorchPickler::save_object(NodeId id, int depth) {
  const Node& node = document_.node(id);
  const std::string_view type = document_.type_name(id);
  if (type == "collections.OrderedDict") {
    global("collections", "OrderedDict");
    byte(opcode::EmptyTuple);
    byte(opcode::Reduce);
    put(id);
    if (!node.object) return;
    save_entries(node.object->entries, depth);
    for (const NodeId state : node.object->states) {
      if (document_.node(state).kind != ValueKind::Dict) continue;
      save(state, depth + 1);
      byte(opcode::Build);
    }
  } else if (type == "collections.defaultdict" || type == "collections.Counter" || is_plain_mapping(node)) {
    byte(opcode::EmptyDict);
    put(id);
    save_entries(document_.entries(id), depth);
  } else if ((type == "torch.Size" || type == "torch.device" || is_kept_call(type)) && is_bare_call(node)) {
    const size_t dot = type.rfind('.');
    global(std::string(type.substr(0, dot)), std::string(type.substr(dot + 1)));
    save_arguments(node.items[1], type == "torch._utils._rebuild_qtensor", depth + 1);
    byte(opcode::Reduce);
    put(id);
  } else if (type.starts_with("pathlib.") && node.items.size() == 2) {
    std::string path;
    for (const NodeId part : document_.node(node.items[1]).items) {
      const std::string& text = document_.node(part).text;
      path += (path.empty() || path.back() == '/' ? "" : "/") + text;
    }
    save_string(path);
  } else {
    save_foreign_object(id, depth);
  }
}

/// The arguments of a call that is kept. The first one of a quantized tensor is its storage, of the class that says how
/// its bytes are packed.
void TorchPickler::save_arguments(NodeId tuple, bool quantized, int depth) {
  byte(opcode::Mark);
  const std::vector<NodeId>& items = document_.node(tuple).items;
  for (size_t i = 0; i < items.size(); ++i) {
    const Node& node = document_.node(items[i]);
    if (quantized && i == 0 && node.kind == ValueKind::Tensor && node.tensor->is_contiguous()) {
      save_storage(*node.tensor, quantized_storage(node, items));
    } else {
      save(items[i], depth + 1);
    }
  }
  byte(opcode::TupleFromMark);
}

/// As the file called it; other formats keep the bytes alone, of which the shape tells how many share one.
const char* TorchPickler::quantized_storage(const Node& storage, const std::vector<NodeId>& arguments) const {
  constexpr std::string_view kModule = "torch.";
  if (storage.text.starts_with("torch.Q") && storage_dtype(storage.text)) return storage.text.c_str() + kModule.size();
  if (storage.tensor->dtype == StoredDType::Int8) return "QInt8Storage";
  if (storage.tensor->dtype == StoredDType::Int32) return "QInt32Storage";
  double values = 1;
  if (arguments.size() > 2) {
    for (const NodeId size : document_.node(arguments[2]).items) {
      values *= static_cast<double>(document_.node(size).integer);
    }
  }
  const auto bytes = static_cast<double>(storage.tensor->numel());
  if (values > 2 * bytes) return "QUInt2x4Storage";
  return values > bytes ? "QUInt4x2Storage" : "QUInt8Storage";
}

}  // namespace bevgrad
