// The inert tree: what a pickle describes, an HDF5 document holds, or a caller wants written. Nodes live in an arena (a
// Document) and are named by number, so that shared and cyclic structures neither leak nor recurse when they die.
// `Value` is the handle for those who read: it knows the path by which it was reached and puts it into every error.
//
//   Value root = read_pickle("infos.pkl");
//   double fx = root.at("data_list").at(0).at("images").at("CAM_FRONT").at("cam2img").at(0).at(0).as_double();
#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "formats/stored_tensor.h"

namespace bevgrad {

enum class ValueKind : uint8_t {
  None,
  Bool,
  Int,
  BigInt,  // an integer past 64 bits
  Float,
  Complex,
  String,
  Bytes,
  List,
  Tuple,
  Dict,
  Set,
  FrozenSet,
  Global,      // a name that the file would have imported: a class, a function, a dtype
  Object,      // what a call of a Global would have given
  Persistent,  // a reference out of the pickle that nobody has resolved
  Tensor,      // a tensor, or a NumPy array
};
std::string_view name(ValueKind kind);

using NodeId = uint32_t;

/// What an Object node was told after its call.
struct ObjectParts {
  std::vector<NodeId> states;    // BUILD
  std::vector<NodeId> elements;  // list and set elements
  std::vector<NodeId> entries;   // dict entries: key, value, key, value, ...
};

struct Node {
  ValueKind kind = ValueKind::None;
  /// Global: every call of it has been read as plain data, so that none is left to judge. Bytes: a bytearray.
  bool resolved = false;
  int64_t integer = 0;
  double real = 0;
  /// String and Bytes: the bytes; BigInt: two's complement, little-endian; Global: "module.name"; Tensor and scalars
  /// that were objects: the class they had ("numpy.ndarray").
  std::string text = {};
  /// Complex: real and imaginary part. List, Tuple, Set, FrozenSet: elements. Dict: key, value, key, value, ... Object:
  /// the callable, its arguments (a tuple), keyword arguments where given. Persistent: the reference.
  std::vector<NodeId> items = {};
  std::unique_ptr<ObjectParts> object = {};
  std::unique_ptr<StoredTensor> tensor = {};
  /// Byte of the pickle at which the node was made.
  uint64_t position = 0;
};

/// The arena. Node 0 is None. The `make_` functions build trees to be written.
class Document {
 public:
  explicit Document(std::string source = "");

  const std::string& source() const { return source_; }
  Node& node(NodeId id) { return nodes_.at(id); }
  const Node& node(NodeId id) const { return nodes_.at(id); }
  size_t size() const { return nodes_.size(); }
  NodeId root = 0;
  /// A Dict of what belongs to the file as a whole and to no value in it (the metadata of safetensors and GGUF,
  /// attributes of HDF5 objects), or None.
  NodeId metadata = 0;
  /// What the reader could not take from the file, one text each.
  std::vector<std::string> left_out;
  /// How often the pickle called each callable.
  std::unordered_map<NodeId, uint64_t> calls;

  NodeId add(Node node);
  NodeId make_bool(bool value);
  NodeId make_int(int64_t value);
  NodeId make_float(double value);
  NodeId make_complex(double real, double imaginary);
  NodeId make_string(std::string value);
  NodeId make_bytes(std::string value);
  NodeId make_list(std::vector<NodeId> items = {});
  NodeId make_tuple(std::vector<NodeId> items = {});
  NodeId make_dict();
  /// collections.OrderedDict
  NodeId make_ordered_dict();
  NodeId make_tensor(StoredTensor tensor);
  NodeId make_tensor(const Tensor& tensor) { return make_tensor(stored_tensor(tensor)); }
  /// Puts an entry into a Dict or an Object with entries.
  void insert(NodeId dict, NodeId key, NodeId value);
  void insert(NodeId dict, std::string_view key, NodeId value) { insert(dict, make_string(std::string(key)), value); }
  void append(NodeId list, NodeId item);

  /// Entries of a Dict, or of an Object that has some (OrderedDict, defaultdict, ...): key, value, key, value, ...
  const std::vector<NodeId>& entries(NodeId id) const;
  /// Value of a string key (the last one, as in Python), or nothing.
  std::optional<NodeId> find(NodeId dict, std::string_view key) const;
  /// "module.name" of a Global, of an Object's callable, or of what the node was; empty otherwise.
  std::string_view type_name(NodeId id) const;
  bool is_mapping(NodeId id) const;

 private:
  std::string source_;
  std::deque<Node> nodes_;
};

class Value {
 public:
  Value() = default;
  Value(std::shared_ptr<const Document> document, NodeId id, std::string path = "");
  static Value root(std::shared_ptr<const Document> document);

  ValueKind kind() const { return node().kind; }
  const Node& node() const;
  NodeId id() const { return id_; }
  const Document& document() const { return *document_; }
  const std::shared_ptr<const Document>& document_pointer() const { return document_; }
  /// "infos.pkl: data_list[0].images": how messages call this value.
  std::string where() const;

  bool is_none() const { return kind() == ValueKind::None; }
  bool is_number() const;
  bool is_string() const { return kind() == ValueKind::String; }
  bool is_tensor() const { return kind() == ValueKind::Tensor; }
  /// A dict or an object with entries (OrderedDict, ...).
  bool is_mapping() const;
  /// A list, tuple, set, or an object with elements.
  bool is_sequence() const;
  /// See Document::type_name.
  std::string_view type_name() const;

  /// Elements of a sequence, entries of a mapping.
  size_t size() const;
  Value at(size_t index) const;
  Value at(std::string_view key) const;
  Value at(const char* key) const { return at(std::string_view(key)); }
  Value at(int index) const;
  std::optional<Value> find(std::string_view key) const;
  bool contains(std::string_view key) const { return find(key).has_value(); }
  std::vector<std::pair<Value, Value>> entries() const;

  bool as_bool() const;
  /// Also a float that is a whole number.
  int64_t as_int() const;
  /// Integers, floats, bools, and tensors of one element.
  double as_double() const;
  const std::string& as_string() const;
  const std::string& as_bytes() const;
  const StoredTensor& as_stored_tensor() const;
  Tensor as_tensor() const;
  /// Numbers of a sequence, of nested sequences in row-major order, or of a NumPy array.
  std::vector<double> as_doubles() const;
  /// The same, refused unless there are `count`.
  std::vector<double> as_doubles(size_t count) const;

 private:
  [[noreturn]] void wrong(std::string_view expected) const;

  std::shared_ptr<const Document> document_;
  NodeId id_ = 0;
  std::string path_;
};

}  // namespace bevgrad
