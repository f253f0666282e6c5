#include "torch/internal/rebuild.h"

#include <array>
#include <map>
#include <regex>
#include <tuple>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"

namespace bevgrad {

namespace {

struct OpenedStorage {
  std::shared_ptr<const StoredStorage> storage;
  StoredDType dtype = StoredDType::UInt8;
  std::string type;  // "torch.FloatStorage"
};

StorageReference reference_of(const Document& document, NodeId id);

class Rebuilder {
 public:
  Rebuilder(Document& document, const StorageOpener& open) : document_(document), open_(open) {}

  void run() {
    // Arguments come before the calls that they are given to, so one pass in order of creation is enough.
    for (NodeId id = 0; id < document_.size(); ++id) {
      const Node& node = document_.node(id);
      if (node.kind == ValueKind::Object && node.items.size() >= 2) rebuild(id);
    }
    for (NodeId id = 0; id < document_.size(); ++id) {
      if (document_.node(id).kind == ValueKind::Persistent) become_flat_tensor(id);
    }
  }

 private:
  const Node& node(NodeId id) const { return document_.node(id); }

  std::string where(NodeId id) const {
    return fmt::format("{}: pickle, byte {}", document_.source(), node(id).position);
  }
  /// Argument `i` of a call, which must be there.
  NodeId argument(NodeId call, size_t i) const {
    const auto& given = node(node(call).items[1]).items;
    check(i < given.size(), "{}: {} has {} arguments, number {} is missing", where(call), document_.type_name(call),
          given.size(), i);
    return given[i];
  }
  size_t argument_count(NodeId call) const { return node(node(call).items[1]).items.size(); }

  int64_t integer(NodeId id, NodeId call, const char* what) const {
    check(node(id).kind == ValueKind::Int, "{}: {}: the {} is a {}, not an integer", where(call),
          document_.type_name(call), what, name(node(id).kind));
    return node(id).integer;
  }

  /// A tuple or list of integers; also torch.Size(...).
  Shape shape(NodeId id, NodeId call, const char* what) const {
    const Node* given = &node(id);
    if (given->kind == ValueKind::Object && document_.type_name(id) == "torch.Size" && given->items.size() >= 2 &&
        !node(given->items[1]).items.empty()) {
      given = &node(node(given->items[1]).items[0]);
    }
    check(given->kind == ValueKind::Tuple || given->kind == ValueKind::List, "{}: {}: the {} is a {}, not a tuple",
          where(call), document_.type_name(call), what, name(given->kind));
    Shape out;
    check(given->items.size() <= 64, "{}: {}: {} dimensions", where(call), document_.type_name(call),
          given->items.size());
    for (const NodeId item : given->items) out.push_back(integer(item, call, what));
    return out;
  }

  const OpenedStorage& storage(NodeId id, NodeId call);
  void rebuild(NodeId id);
  void rebuild_from_storage(NodeId id, bool with_dtype);
  void rebuild_parameter(NodeId id);
  void apply_state(NodeId id, const std::string& type, NodeId state);
  void become_tensor(NodeId id, StoredTensor tensor, std::string type);
  void become_flat_tensor(NodeId id);
  /// Conjugated and negated views: PyTorch saves the values as they lie and a bit beside them.
  void apply_bits(NodeId id, size_t index, StoredTensor& tensor);

  Document& document_;
  const StorageOpener& open_;
  std::unordered_map<NodeId, OpenedStorage> by_node_;
  struct Key {
    OpenedStorage opened;
    int64_t numel;
  };
  std::unordered_map<std::string, Key> by_key_;
  std::map<std::tuple<const void*, size_t, size_t>, std::shared_ptr<const StoredStorage>> turned_;
};

/// Protocol 0 has the reference as Python prints it: ('storage', <class 'torch.FloatStorage'>, '0', 'cpu', 6).
StorageReference reference_in_text(const std::string& text, std::string where) {
  static const std::regex kForm(
      R"(\('storage', <class '([A-Za-z0-9_.]{1,80})'>, '([^']{1,80})', '([^']{1,80})', ([0-9]{1,18})(, None)?\))");
  std::smatch found;
  check(text.size() < 400 && std::regex_match(text, found, kForm), "{}: a broken reference to a storage '{}'", where,
        printable(text, 80));
  const auto dtype = storage_dtype(found.str(1));
  check(dtype.has_value(), "{}: storage type {} is not known", where, found.str(1));
  check(found.str(3) != "meta", "{}: a tensor on the meta device has no values", where);
  return {.key = found.str(2),
          .type = found.str(1),
          .dtype = *dtype,
          .numel = std::stoll(found.str(4)),
          .location = found.str(3),
          .view = {},
          .where = std::move(where)};
}

StorageReference reference_of(const Document& document, NodeId id) {
  const auto node = [&](NodeId of) -> const Node& { return document.node(of); };
  StorageReference out;
  out.where = fmt::format("{}: pickle, byte {}", document.source(), node(id).position);
  const Node& pid = node(node(id).items[0]);
  if (pid.kind == ValueKind::String) return reference_in_text(pid.text, std::move(out.where));
  check(pid.kind == ValueKind::Tuple && !pid.items.empty(), "{}: a persistent reference that is no tuple", out.where);
  const Node& kind = node(pid.items[0]);
  check(kind.kind == ValueKind::String, "{}: a persistent reference of no kind", out.where);
  check(kind.text != "module", "{}: a pickled whole module with its source text; only state dicts can be read",
        out.where);
  check(kind.text == "storage" && pid.items.size() >= 5, "{}: an unknown persistent reference '{}'", out.where,
        printable(kind.text, 40));
  const Node& type = node(pid.items[1]);
  const Node& key = node(pid.items[2]);
  const Node& location = node(pid.items[3]);
  const Node& numel = node(pid.items[4]);
  check(type.kind == ValueKind::Global, "{}: the type of a storage is a {}", out.where, name(type.kind));
  const auto dtype = storage_dtype(type.text);
  check(dtype.has_value(), "{}: storage type {} is not known", out.where, printable(type.text, 80));
  check((key.kind == ValueKind::String || key.kind == ValueKind::Int) && location.kind == ValueKind::String &&
            numel.kind == ValueKind::Int && numel.integer >= 0,
        "{}: a broken reference to a storage", out.where);
  check(location.text != "meta", "{}: a tensor on the meta device has no values", out.where);
  out.type = type.text;
  out.key = key.kind == ValueKind::String ? key.text : std::to_string(key.integer);
  out.dtype = *dtype;
  out.location = location.text;
  out.numel = numel.integer;
  if (pid.items.size() > 5 && node(pid.items[5]).kind == ValueKind::Tuple) {
    const auto& view = node(pid.items[5]).items;
    check(view.size() == 3, "{}: a broken view of a storage", out.where);
    const Node& view_key = node(view[0]);
    check((view_key.kind == ValueKind::String || view_key.kind == ValueKind::Int) &&
              node(view[1]).kind == ValueKind::Int && node(view[2]).kind == ValueKind::Int &&
              node(view[1]).integer >= 0 && node(view[2]).integer >= 0,
          "{}: a broken view of a storage", out.where);
    out.view = {view_key.kind == ValueKind::String ? view_key.text : std::to_string(view_key.integer),
                node(view[1]).integer, node(view[2]).integer};
  }
  return out;
}

const OpenedStorage& Rebuilder::storage(NodeId id, NodeId call) {
  const auto found = by_node_.find(id);
  if (found != by_node_.end()) return found->second;
  if (node(id).kind == ValueKind::Tensor && node(id).tensor->covers_storage()) {
    // A storage that was read already.
    return by_node_.emplace(id, OpenedStorage{node(id).tensor->storage, node(id).tensor->dtype, ""}).first->second;
  }
  check(node(id).kind == ValueKind::Persistent, "{}: {}: the storage is a {}", where(call), document_.type_name(call),
        name(node(id).kind));
  const StorageReference wanted = reference_of(document_, id);
  const std::string key = wanted.view ? wanted.key + "\n" + wanted.view->key : wanted.key;
  auto known = by_key_.find(key);
  if (known == by_key_.end()) {
    OpenedStorage opened{open_(wanted), wanted.dtype, ""};
    opened.type = wanted.type;
    known = by_key_.emplace(key, Key{std::move(opened), wanted.numel}).first;
  }
  check(known->second.opened.dtype == wanted.dtype && known->second.numel == wanted.numel,
        "{}: storage '{}' is {} values of {} here, but {} of {} before", wanted.where, printable(wanted.key, 80),
        wanted.numel, name(wanted.dtype), known->second.numel, name(known->second.opened.dtype));
  return by_node_.emplace(id, known->second.opened).first->second;
}

void Rebuilder::become_tensor(NodeId id, StoredTensor tensor, std::string type) {
  Node& target = document_.node(id);
  target.kind = ValueKind::Tensor;
  target.text = std::move(type);
  target.tensor = std::make_unique<StoredTensor>(std::move(tensor));
  target.items.clear();
  target.object.reset();
}

void Rebuilder::become_flat_tensor(NodeId id) {
  const OpenedStorage& opened = storage(id, id);
  StoredTensor tensor{.storage = opened.storage, .dtype = opened.dtype};
  tensor.sizes = {static_cast<int64_t>(opened.storage->bytes() / item_size(opened.dtype))};
  tensor.strides = {1};
  become_tensor(id, std::move(tensor), opened.type);
}

void Rebuilder::apply_bits(NodeId id, size_t index, StoredTensor& tensor) {
  if (index >= argument_count(id)) return;
  const NodeId metadata = argument(id, index);
  const auto is_set = [&](const char* bit) {
    const auto value = document_.is_mapping(metadata) ? document_.find(metadata, bit) : std::nullopt;
    return value && node(*value).integer != 0;
  };
  const size_t unit = swap_size(tensor.dtype);
  const bool is_complex = unit != item_size(tensor.dtype);
  const auto turn = [&](const char* bit, size_t first, size_t step) {
    if (!is_set(bit)) return;
    check(is_floating_point(tensor.dtype) && (is_complex || step == 1), "{}: {}: a {} tensor with its {} bit set",
          where(id), document_.type_name(id), name(tensor.dtype), bit);
    // One such storage for all views of it.
    auto& turned = turned_[{identity(*tensor.storage), unit, step}];
    if (!turned) turned = negated_storage(tensor.storage, unit, first, step);
    tensor.storage = turned;
  };
  turn("conj", 1, 2);
  turn("neg", 0, 1);
}

void Rebuilder::rebuild_from_storage(NodeId id, bool with_dtype) {
  const OpenedStorage& opened = storage(argument(id, 0), id);
  StoredTensor tensor{.storage = opened.storage, .dtype = opened.dtype};
  tensor.offset = integer(argument(id, 1), id, "storage offset");
  tensor.sizes = shape(argument(id, 2), id, "size");
  tensor.strides = shape(argument(id, 3), id, "stride");
  if (argument_count(id) > 4) tensor.requires_grad = node(argument(id, 4)).integer != 0;
  if (with_dtype) {
    const NodeId type = argument(id, 6);
    const auto dtype = dtype_global(document_.type_name(type));
    check(dtype.has_value(), "{}: dtype {} is not known", where(id), printable(document_.type_name(type), 80));
    tensor.dtype = *dtype;
  }
  validate(tensor, where(id));
  apply_bits(id, with_dtype ? 7 : 6, tensor);
  become_tensor(id, std::move(tensor), "");
}

void Rebuilder::rebuild_parameter(NodeId id) {
  const Node& data = node(argument(id, 0));
  if (data.kind != ValueKind::Tensor) return;  // of something unknown: stays inert
  StoredTensor tensor = *data.tensor;
  tensor.requires_grad = argument_count(id) > 1 && node(argument(id, 1)).integer != 0;
  tensor.is_parameter = true;
  become_tensor(id, std::move(tensor), "torch.nn.parameter.Parameter");
}

/// What a subclass of Tensor keeps in attributes: (None, attributes), or the attributes alone. That of a DTensor is
/// the part of its values that its rank had.
void Rebuilder::apply_state(NodeId id, const std::string& type, NodeId state) {
  NodeId attributes = state;
  if (node(state).kind == ValueKind::Tuple && node(state).items.size() == 2) {
    attributes = node(state).items[document_.is_mapping(node(state).items[1]) ? 1 : 0];
  }
  const bool wrapper = document_.type_name(id) == "torch._utils._rebuild_wrapper_subclass";
  if (wrapper && type.ends_with(".DTensor") && document_.is_mapping(attributes)) {
    const auto local = document_.find(attributes, "_local_tensor");
    if (local && node(*local).kind == ValueKind::Tensor) {
      const Shape whole = shape(argument(id, 2), id, "size");
      StoredTensor tensor = *node(*local).tensor;
      tensor.requires_grad = argument_count(id) > 7 && node(argument(id, 7)).integer != 0;
      if (tensor.sizes != whole) {
        document_.left_out.push_back(fmt::format("other ranks' parts of a DTensor {}, of which this file has {}",
                                                 to_string(whole), to_string(tensor.sizes)));
      }
      return become_tensor(id, std::move(tensor), type);
    }
  }
  Node& target = document_.node(id);
  if (target.kind != ValueKind::Tensor) {
    if (node(state).kind == ValueKind::None) return;
    if (!target.object) target.object = std::make_unique<ObjectParts>();
    target.object->states.push_back(state);
    return;
  }
  std::string names;
  const auto& entries = document_.entries(attributes);
  for (size_t i = 0; i + 1 < entries.size(); i += 2) {
    names += (names.empty() ? "" : ", ") + printable(node(entries[i]).text, 40);
  }
  if (!names.empty()) document_.left_out.push_back(fmt::format("attributes of a {}: {}", printable(type, 80), names));
}

void Rebuilder::rebuild(NodeId id) {
  const Node& call = node(id);
  if (node(call.items[0]).kind != ValueKind::Global || node(call.items[1]).kind != ValueKind::Tuple) return;
  const std::string_view name = node(call.items[0]).text;
  if (name == "torch._utils._rebuild_tensor" || name == "torch._utils._rebuild_tensor_v2") {
    rebuild_from_storage(id, false);
  } else if (name == "torch._utils._rebuild_tensor_v3") {
    rebuild_from_storage(id, true);
  } else if (name == "torch._utils._rebuild_parameter" || name == "torch._utils._rebuild_parameter_with_state") {
    rebuild_parameter(id);
  } else if (name == "torch._tensor._rebuild_from_type_v2" || name == "torch._tensor._rebuild_from_type" ||
             name == "torch.tensor._rebuild_from_type") {
    // (function, type, arguments, state): as though the function itself had been called.
    const NodeId function = argument(id, 0);
    const NodeId arguments = argument(id, 2);
    const std::string type(document_.type_name(argument(id, 1)));
    if (node(function).kind != ValueKind::Global || node(arguments).kind != ValueKind::Tuple ||
        node(function).text.find("_rebuild_from_type") != std::string::npos) {
      return;
    }
    const NodeId state = argument_count(id) > 3 ? argument(id, 3) : 0;
    document_.node(id).items = {function, arguments};
    rebuild(id);
    if (node(id).kind == ValueKind::Tensor) document_.node(id).text = type;
    apply_state(id, type, state);
  } else if (name == "torch._utils._rebuild_device_tensor_from_numpy" ||
             name == "torch._utils._rebuild_device_tensor_from_cpu_tensor" ||
             name == "torch._utils._rebuild_xla_tensor") {
    // XLA and other devices: (values, dtype, device, requires_grad).
    const Node& data = node(argument(id, 0));
    if (data.kind == ValueKind::Tensor) become_tensor(id, *data.tensor, "");
  } else if (name == "torch._utils._rebuild_meta_tensor_no_storage") {
    fail("{}: a tensor on the meta device has no values", where(id));
  }
}

}  // namespace

std::optional<StoredDType> storage_dtype(std::string_view global) {
  static const std::unordered_map<std::string_view, StoredDType> kTypes{
      {"DoubleStorage", StoredDType::Float64},
      {"FloatStorage", StoredDType::Float32},
      {"HalfStorage", StoredDType::Float16},
      {"BFloat16Storage", StoredDType::BFloat16},
      {"ComplexDoubleStorage", StoredDType::Complex128},
      {"ComplexFloatStorage", StoredDType::Complex64},
      {"LongStorage", StoredDType::Int64},
      {"IntStorage", StoredDType::Int32},
      {"ShortStorage", StoredDType::Int16},
      {"CharStorage", StoredDType::Int8},
      {"ByteStorage", StoredDType::UInt8},
      {"BoolStorage", StoredDType::Bool},
      {"QInt8Storage", StoredDType::Int8},
      {"QUInt8Storage", StoredDType::UInt8},
      {"QInt32Storage", StoredDType::Int32},
      {"QUInt4x2Storage", StoredDType::UInt8},
      {"QUInt2x4Storage", StoredDType::UInt8},
      {"UntypedStorage", StoredDType::UInt8},
      {"_UntypedStorage", StoredDType::UInt8}};
  for (const std::string_view module : {"torch.storage.", "torch.cuda.", "torch."}) {
    if (!global.starts_with(module)) continue;
    const auto found = kTypes.find(global.substr(module.size()));
    if (found != kTypes.end()) return found->second;
  }
  return std::nullopt;
}

std::optional<StoredDType> dtype_global(std::string_view global) {
  if (!global.starts_with("torch.")) return std::nullopt;
  global.remove_prefix(6);
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kAliases{{{"half", "float16"},
                                                                                          {"float", "float32"},
                                                                                          {"double", "float64"},
                                                                                          {"long", "int64"},
                                                                                          {"int", "int32"},
                                                                                          {"short", "int16"},
                                                                                          {"cfloat", "complex64"},
                                                                                          {"cdouble", "complex128"},
                                                                                          {"chalf", "complex32"}}};
  for (const auto& [alias, full] : kAliases) {
    if (global == alias) return stored_dtype_named(full);
  }
  return stored_dtype_named(global);
}

std::vector<StorageReference> storage_references(const Document& document) {
  std::vector<StorageReference> out;
  for (NodeId id = 0; id < document.size(); ++id) {
    if (document.node(id).kind == ValueKind::Persistent) out.push_back(reference_of(document, id));
  }
  return out;
}

void resolve_tensors(Document& document, const StorageOpener& open) {
  Rebuilder(document, open).run();
}

}  // namespace bevgrad
