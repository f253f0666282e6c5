#include "pickle/internal/plain_objects.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "base/error.h"
#include "pickle/internal/numbers.h"
#include "pickle/internal/omegaconf.h"

namespace bevgrad {

namespace {

struct ArrayType {
  StoredDType dtype;
  bool big_endian;
};

class Resolver {
 public:
  explicit Resolver(Document& document) : document_(document) {
    for (NodeId id = 0; id < document.size(); ++id) budget_ += document.node(id).text.size();
    budget_ = (budget_ + 4 * document.size()) * 16 + (1 << 20);
  }

  void run() {
    // Bytes first: dtypes and arrays are made of them, and may come before them.
    for (NodeId id = 0; id < document_.size(); ++id) resolve_bytes(id);
    for (NodeId id = 0, end = static_cast<NodeId>(document_.size()); id < end; ++id) {
      if (document_.node(id).kind == ValueKind::Object) resolve(id);
    }
    judge_subscripts();
  }

 private:
  const Node& node(NodeId id) const { return document_.node(id); }
  const std::vector<NodeId>& arguments(const Node& object) const { return node(object.items.at(1)).items; }
  bool is_call(const Node& object) const {
    return object.kind == ValueKind::Object && object.items.size() >= 2 &&
           node(object.items[1]).kind == ValueKind::Tuple;
  }
  std::string_view callable(const Node& object) const {
    const Node& called = node(object.items[0]);
    return called.kind == ValueKind::Global ? std::string_view(called.text) : std::string_view();
  }
  /// The state given by BUILD, where there is exactly one.
  const Node* state(const Node& object) const {
    return object.object && object.object->states.size() == 1 ? &node(object.object->states[0]) : nullptr;
  }

  /// typing.List[int] is operator.getitem(typing.List, int): plain data where a name of a type is all it subscripts.
  void judge_subscripts() {
    std::unordered_map<NodeId, bool> plain;
    for (NodeId id = 0, end = static_cast<NodeId>(document_.size()); id < end; ++id) {
      const Node& object = node(id);
      if (!is_call(object)) continue;
      const std::string_view name = callable(object);
      if (name != "_operator.getitem" && name != "operator.getitem") continue;
      const auto& given = arguments(object);
      const bool type = given.size() == 2 && node(given[0]).kind == ValueKind::Global &&
                        (node(given[0]).text.starts_with("typing.") || node(given[0]).text.starts_with("builtins.") ||
                         node(given[0]).text.starts_with("collections."));
      const auto known = plain.emplace(object.items[0], true).first;
      known->second = known->second && type;
    }
    for (const auto& [id, all] : plain) document_.node(id).resolved = all;
  }

  void become_bytes(NodeId id, std::string bytes) {
    check(bytes.size() <= budget_, "{}: pickle, byte {}: the same bytes are copied too often", document_.source(),
          node(id).position);
    budget_ -= bytes.size();
    Node& target = document_.node(id);
    target.kind = ValueKind::Bytes;
    target.text = std::move(bytes);
    target.items.clear();
    target.object.reset();
  }

  void resolve_bytes(NodeId id) {
    const Node& object = node(id);
    if (!is_call(object)) return;
    const std::string_view name = callable(object);
    const auto& given = arguments(object);
    if (name == "_codecs.encode" && !given.empty() && node(given[0]).kind == ValueKind::String) {
      const std::string_view encoding = given.size() > 1 ? std::string_view(node(given[1]).text) : "utf-8";
      if (node(given[0]).text.size() > budget_) return become_bytes(id, node(given[0]).text);
      if (encoding == "latin1" || encoding == "latin-1") {
        if (auto bytes = encode_latin1(node(given[0]).text)) become_bytes(id, *std::move(bytes));
      } else if (encoding == "utf-8" || encoding == "utf8") {
        become_bytes(id, node(given[0]).text);
      }
    } else if (name == "builtins.bytes" || name == "__builtin__.bytes") {
      resolve_byte_array(id, false);
    } else if (name == "builtins.bytearray" || name == "__builtin__.bytearray") {
      resolve_byte_array(id, true);
    }
  }

  /// bytes(...) and bytearray(...) of nothing, of bytes, or of a text and its encoding.
  void resolve_byte_array(NodeId id, bool mutable_array) {
    const auto& given = arguments(node(id));
    if (given.empty()) {
      become_bytes(id, "");
    } else if (node(given[0]).kind == ValueKind::Bytes && given.size() == 1) {
      become_bytes(id, node(given[0]).text);
    } else if (node(given[0]).kind == ValueKind::String && given.size() == 2) {
      if (auto bytes = encode_latin1(node(given[0]).text)) become_bytes(id, *std::move(bytes));
    }
    if (node(id).kind == ValueKind::Bytes) document_.node(id).resolved = mutable_array;
  }

  /// complex(real, imaginary)
  void resolve_complex(NodeId id) {
    const auto& given = arguments(node(id));
    if (given.size() != 2 || node(given[0]).kind != ValueKind::Float || node(given[1]).kind != ValueKind::Float) return;
    Node& target = document_.node(id);
    target.kind = ValueKind::Complex;
    target.items = std::vector<NodeId>(given);
    target.object.reset();
  }

  void resolve(NodeId id) {
    const Node& object = node(id);
    if (!is_call(object)) return;
    const std::string_view name = callable(object);
    if (name == "numpy.core.multiarray.scalar" || name == "numpy._core.multiarray.scalar") {
      resolve_scalar(id);
    } else if (name == "numpy.core.multiarray._reconstruct" || name == "numpy._core.multiarray._reconstruct") {
      const Node* given = state(object);
      if (given == nullptr || given->kind != ValueKind::Tuple || given->items.size() < 5) return;
      const auto& items = given->items;
      resolve_array(id, items[1], items[2], node(items[3]).integer != 0, items[4]);
    } else if (name == "numpy.core.numeric._frombuffer" || name == "numpy._core.numeric._frombuffer") {
      const auto& given = arguments(object);
      if (given.size() < 4) return;
      resolve_array(id, given[2], given[1], node(given[3]).text == "F", given[0]);
    } else if (name == "collections.OrderedDict" || name == "collections.Counter") {
      take_entries(id);
    } else if (name == "builtins.set" || name == "__builtin__.set" || name == "builtins.frozenset" ||
               name == "__builtin__.frozenset") {
      resolve_set(id, name.ends_with("frozenset") ? ValueKind::FrozenSet : ValueKind::Set);
    } else if (name == "builtins.complex" || name == "__builtin__.complex") {
      resolve_complex(id);
    }
  }

  /// OrderedDict([(key, value), ...]), as Python 2 pickles it, and Counter({...}): the entries go into the object.
  void take_entries(NodeId id) {
    const auto& given = arguments(node(id));
    if (given.size() != 1) return;
    const Node& from = node(given[0]);
    std::vector<NodeId> entries;
    if (from.kind == ValueKind::Dict) {
      entries = from.items;
    } else if (from.kind == ValueKind::List) {
      for (const NodeId pair : from.items) {
        const Node& entry = node(pair);
        const bool two = (entry.kind == ValueKind::Tuple || entry.kind == ValueKind::List) && entry.items.size() == 2;
        if (!two) return;
        entries.insert(entries.end(), entry.items.begin(), entry.items.end());
      }
    }
    const size_t cost = entries.size() * sizeof(NodeId);
    check(cost <= budget_, "{}: pickle, byte {}: the same entries are copied too often", document_.source(),
          node(id).position);
    budget_ -= cost;
    Node& target = document_.node(id);
    if (!target.object) target.object = std::make_unique<ObjectParts>();
    auto& all = target.object->entries;
    all.insert(all.begin(), entries.begin(), entries.end());
    target.items[1] = document_.make_tuple();
  }

  void resolve_set(NodeId id, ValueKind kind) {
    const auto& given = arguments(node(id));
    std::vector<NodeId> items;
    if (!given.empty()) {
      const Node& list = node(given[0]);
      if (list.kind != ValueKind::List && list.kind != ValueKind::Tuple) return;
      const size_t cost = list.items.size() * sizeof(NodeId);
      check(cost <= budget_, "{}: pickle, byte {}: the same list is copied too often", document_.source(),
            node(id).position);
      budget_ -= cost;
      items = list.items;
    }
    Node& target = document_.node(id);
    target.kind = kind;
    target.items = std::move(items);
    target.object.reset();
  }

  /// numpy.dtype('f8', align, copy) with the state (3, '<', ...).
  std::optional<ArrayType> array_type(NodeId id) const {
    const Node& object = node(id);
    if (!is_call(object) || callable(object) != "numpy.dtype" || arguments(object).empty()) return std::nullopt;
    const Node& code_node = node(arguments(object)[0]);
    if (code_node.kind != ValueKind::String && code_node.kind != ValueKind::Bytes) return std::nullopt;
    std::string_view code = code_node.text;
    bool big_endian = false;
    if (!code.empty() && (code[0] == '<' || code[0] == '>' || code[0] == '|' || code[0] == '=')) {
      big_endian = code[0] == '>';
      code.remove_prefix(1);
    }
    if (const Node* given = state(object); given != nullptr && given->items.size() > 1) {
      big_endian = node(given->items[1]).text == ">";
    }
    static const std::unordered_map<std::string_view, StoredDType> kCodes{
        {"f8", StoredDType::Float64},   {"f4", StoredDType::Float32},    {"f2", StoredDType::Float16},
        {"i8", StoredDType::Int64},     {"i4", StoredDType::Int32},      {"i2", StoredDType::Int16},
        {"i1", StoredDType::Int8},      {"u8", StoredDType::UInt64},     {"u4", StoredDType::UInt32},
        {"u2", StoredDType::UInt16},    {"u1", StoredDType::UInt8},      {"b1", StoredDType::Bool},
        {"c8", StoredDType::Complex64}, {"c16", StoredDType::Complex128}};
    const auto found = kCodes.find(code);
    if (found == kCodes.end()) return std::nullopt;
    return ArrayType{found->second, big_endian};
  }

  bool is_bytes(const Node& data) const {
    return data.kind == ValueKind::Bytes || (data.kind == ValueKind::String && data.integer == 1);
  }

  void resolve_scalar(NodeId id) {
    const auto& given = arguments(node(id));
    if (given.size() != 2) return;
    const auto type = array_type(given[0]);
    const Node& data = node(given[1]);
    if (!type) return resolve_text_scalar(id, given[0], data);
    if (!is_bytes(data) || data.text.size() != item_size(type->dtype)) return;
    std::string bytes = data.text;
    if (type->big_endian) std::reverse(bytes.begin(), bytes.end());
    Node& target = document_.node(id);
    switch (type->dtype) {
      case StoredDType::Complex64:
      case StoredDType::Complex128:
        // The structure has no complex numbers: a tensor without dimensions.
        target.kind = ValueKind::Tensor;
        target.tensor = std::make_unique<StoredTensor>(
            StoredTensor{.storage = array_storage(given[1], *type), .dtype = type->dtype});
        break;
      case StoredDType::Bool:
        target.kind = ValueKind::Bool;
        target.integer = bytes[0] != 0;
        break;
      case StoredDType::Float64:
      case StoredDType::Float32:
      case StoredDType::Float16:
        target.kind = ValueKind::Float;
        target.real = to_double(type->dtype, reinterpret_cast<const std::byte*>(bytes.data()));
        break;
      default: {
        const std::string_view code = name(type->dtype);
        if (code.starts_with("uint")) bytes.push_back('\0');
        if (const auto value = small_integer(bytes)) {
          target.kind = ValueKind::Int;
          target.integer = *value;
        } else {
          target.kind = ValueKind::BigInt;
          target.text = bytes;
        }
        break;
      }
    }
    if (target.kind != ValueKind::BigInt) target.text = fmt::format("numpy.{}", name(type->dtype));
    target.items.clear();
    target.object.reset();
  }

  /// numpy.str_ (four bytes a character) and numpy.bytes_.
  void resolve_text_scalar(NodeId id, NodeId type, const Node& data) {
    const Node& dtype = node(type);
    if (!is_call(dtype) || callable(dtype) != "numpy.dtype" || arguments(dtype).empty() || !is_bytes(data)) return;
    const std::string& code = node(arguments(dtype)[0]).text;
    const bool big_endian = [&] {
      const Node* given = state(dtype);
      return given != nullptr && given->items.size() > 1 && node(given->items[1]).text == ">";
    }();
    if (code.starts_with('S')) return become_bytes(id, data.text);
    if (!code.starts_with('U') || big_endian || data.text.size() % 4 != 0) return;
    std::string text;
    for (size_t i = 0; i < data.text.size(); i += 4) {
      uint32_t character = 0;
      std::memcpy(&character, &data.text[i], 4);
      if (character > 0x10ffff) return;
      append_utf8(text, character);
    }
    check(text.size() <= budget_, "{}: pickle, byte {}: the same text is copied too often", document_.source(),
          node(id).position);
    budget_ -= text.size();
    Node& target = document_.node(id);
    target.kind = ValueKind::String;
    target.text = std::move(text);
    target.items.clear();
    target.object.reset();
  }

  void resolve_array(NodeId id, NodeId shape, NodeId type_node, bool fortran, NodeId data) {
    const auto type = array_type(type_node);
    const Node& bytes = node(data);
    if (!type || !is_bytes(bytes) || node(shape).kind != ValueKind::Tuple) return;
    StoredTensor tensor;
    tensor.dtype = type->dtype;
    for (const NodeId size : node(shape).items) {
      if (node(size).kind != ValueKind::Int) return;
      tensor.sizes.push_back(node(size).integer);
    }
    const std::string where = fmt::format("{}: pickle, byte {}: numpy array", document_.source(), node(id).position);
    check(tensor.sizes.size() <= 64, "{}: {} dimensions", where, tensor.sizes.size());
    if (fortran) {
      tensor.strides = contiguous_strides({tensor.sizes.rbegin(), tensor.sizes.rend()}, where);
      std::reverse(tensor.strides.begin(), tensor.strides.end());
    } else {
      tensor.strides = contiguous_strides(tensor.sizes, where);
    }
    tensor.storage = array_storage(data, *type);
    validate(tensor, where);
    check(tensor.nbytes() == bytes.text.size(), "{}: {} of {} needs {} bytes, {} are given", where, name(tensor.dtype),
          to_string(tensor.sizes), tensor.nbytes(), bytes.text.size());
    Node& target = document_.node(id);
    target.kind = ValueKind::Tensor;
    target.text = "numpy.ndarray";
    target.tensor = std::make_unique<StoredTensor>(std::move(tensor));
    target.items.clear();
    target.object.reset();
  }

  std::shared_ptr<const StoredStorage> array_storage(NodeId data, const ArrayType& type) {
    auto& storage = storages_[data];
    if (!storage) {
      const std::string& bytes = node(data).text;
      storage = range_storage(fmt::format("{}: bytes of a numpy array", document_.source()),
                              memory_source(document_.source(), bytes), 0, bytes.size());
    }
    return type.big_endian ? swapped_storage(storage, swap_size(type.dtype)) : storage;
  }

  Document& document_;
  uint64_t budget_ = 0;
  std::unordered_map<NodeId, std::shared_ptr<const StoredStorage>> storages_;
};

}  // namespace

void resolve_plain_objects(Document& document) {
  Resolver(document).run();
  resolve_omegaconf(document);
}

}  // namespace bevgrad
