#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"
#include "formats/hdf5/document.h"
#include "formats/hdf5/document_layout.h"
#include "formats/hdf5/tensor_file.h"
#include "formats/reachable.h"
#include "internal/state_dict_node.h"
#include "pickle/internal/numbers.h"

namespace bevgrad {

namespace {

constexpr int kMaximumDepth = 60;
constexpr uint64_t kMaximumSaved = 4'000'000;

class DocumentWriter {
 public:
  DocumentWriter(const std::string& path, const Document& document) : document_(document), file_(path) {}

  void run() {
    check_size();
    count_views();
    file_.set_attribute("", "format", kFormatName);
    file_.set_attribute("", "format_version", kFormatVersion);
    file_.set_attribute("", "producer", kProducer);
    const NodeId root = document_.root;
    if (document_.is_mapping(root)) put_root_attributes(root);
    state_dict_ = find_state_dict(document_).value_or(0);
    if (state_dict_ != 0) {
      file_.make_group("state_dict");
      save_parameters(state_dict_, "", 0);
    }
    save(root, "document", 0);
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

  /// How many different views of each storage there are: sharing is recorded only where there is more than one.
  void count_views() {
    for (const NodeId id : reachable_nodes(document_)) {
      if (node(id).kind != ValueKind::Tensor) continue;
      const StoredTensor& tensor = *node(id).tensor;
      if (tensor.numel() > 0) {
        views_of_[identity(*tensor.storage)].emplace(tensor.dtype, tensor.offset, tensor.sizes, tensor.strides);
      }
    }
  }

  /// Refuses structures whose shared parts unfold to too much, before anything is written.
  void check_size() const {
    uint64_t values = 0;
    std::vector<std::pair<NodeId, int>> open{{document_.root, 0}};
    while (!open.empty()) {
      const auto [id, depth] = open.back();
      open.pop_back();
      check(depth <= kMaximumDepth, "{}: nested more than {} deep, or in a circle", document_.source(), kMaximumDepth);
      check(++values <= kMaximumSaved, "{}: the structure unfolds to more than {} values", document_.source(),
            kMaximumSaved);
      const Node& of = node(id);
      for (const NodeId item : of.items) open.emplace_back(item, depth + 1);
      if (!of.object) continue;
      for (const auto* part : {&of.object->entries, &of.object->elements, &of.object->states}) {
        for (const NodeId item : *part) open.emplace_back(item, depth + 1);
      }
    }
  }

  void guard(int depth, const std::string& path) {
    check(depth <= kMaximumDepth, "{}: /{}: nested more than {} deep, or in a circle", document_.source(),
          printable(path), kMaximumDepth);
    check(++saved_ <= kMaximumSaved, "{}: the structure unfolds to more than {} values", document_.source(),
          kMaximumSaved);
  }

  void save_parameters(NodeId mapping, const std::string& prefix, int depth) {
    guard(depth, prefix);
    const auto& entries = document_.entries(mapping);
    for (size_t i = 0; i + 1 < entries.size(); i += 2) {
      const Node& key = node(entries[i]);
      const bool tensor = node(entries[i + 1]).kind == ValueKind::Tensor;
      if (!tensor && !document_.is_mapping(entries[i + 1])) continue;
      check(key.kind == ValueKind::String || key.kind == ValueKind::Int, "{}: a {} as the name of a tensor in '{}'",
            document_.source(), name(key.kind), printable(prefix));
      const std::string label = prefix + (key.kind == ValueKind::Int ? std::to_string(key.integer) : key.text);
      if (tensor) {
        const auto [at, added] = parameters_.emplace(label, entries[i + 1]);
        check(added, "{}: '{}' is there twice", document_.source(), printable(label));
        save_tensor(entries[i + 1], "state_dict/" + escape_link(label));
      } else {
        save_parameters(entries[i + 1], label + ".", depth + 1);
      }
    }
  }

  void save_tensor(NodeId id, const std::string& path) {
    const StoredTensor& tensor = *node(id).tensor;
    // The same view of the same storage is one dataset with several names.
    const auto view = std::make_tuple(identity(*tensor.storage), tensor.dtype, tensor.offset, tensor.sizes,
                                      tensor.strides, tensor.is_parameter, node(id).text);
    const auto [at, added] = views_.emplace(view, path);
    if (!added) return file_.link(at->second, path);
    file_.write(path, tensor);
    if (tensor.is_parameter) file_.set_attribute(path, kParameterAttribute, int64_t{tensor.requires_grad ? 2 : 1});
    const auto views = views_of_.find(identity(*tensor.storage));
    const bool shared = tensor.numel() > 0 && views != views_of_.end() && views->second.size() > 1;
    if (shared || !tensor.is_contiguous()) {
      if (shared) {
        const auto [storage, fresh] =
            storages_.emplace(std::make_pair(identity(*tensor.storage), tensor.dtype), storages_.size());
        file_.set_attribute(path, kStorageAttribute, static_cast<int64_t>(storage->second));
        file_.set_attribute(path, kOffsetAttribute, tensor.offset);
      }
      std::string strides;
      for (const int64_t stride : tensor.strides) strides += (strides.empty() ? "" : ",") + std::to_string(stride);
      file_.set_attribute(path, kStridesAttribute, strides);
    }
  }

  void mark(const std::string& path, std::string_view kind) {
    file_.make_group(path);
    file_.set_attribute(path, kKindAttribute, kind);
  }

  void save_number(const std::string& path, const Tensor& values, std::string_view kind) {
    file_.write(path, values);
    file_.set_attribute(path, kKindAttribute, kind);
  }

  void save_bytes(const std::string& path, const std::string& bytes, std::string_view kind) {
    Tensor values = empty({static_cast<int64_t>(bytes.size())}, {.dtype = DType::UInt8});
    std::copy(bytes.begin(), bytes.end(), static_cast<char*>(values.raw_data()));
    save_number(path, values, kind);
  }

  /// A list or tuple of nothing but integers, or nothing but floats, as one dataset.
  bool save_numbers(const std::string& path, const Node& list, std::string_view kind) {
    if (list.items.empty()) return false;
    const ValueKind of = node(list.items[0]).kind;
    if (of != ValueKind::Int && of != ValueKind::Float) return false;
    for (const NodeId item : list.items) {
      if (node(item).kind != of) return false;
    }
    const bool integers = of == ValueKind::Int;
    Tensor values =
        empty({static_cast<int64_t>(list.items.size())}, {.dtype = integers ? DType::Int64 : DType::Float64});
    for (size_t i = 0; i < list.items.size(); ++i) {
      if (integers) values.data<int64_t>()[i] = node(list.items[i]).integer;
      if (!integers) values.data<double>()[i] = node(list.items[i]).real;
    }
    save_number(path, values, kind);
    return true;
  }

  void save_list(const std::string& path, const std::vector<NodeId>& items, std::string_view kind, int depth) {
    mark(path, kind);
    for (size_t i = 0; i < items.size(); ++i) save(items[i], fmt::format("{}/{}", path, i), depth + 1);
  }

  void save_mapping(const std::string& path, const std::vector<NodeId>& entries, std::string_view kind, int depth) {
    mark(path, kind);
    bool strings = true;
    bool integers = true;
    std::map<std::string, int> names;
    for (size_t i = 0; i + 1 < entries.size(); i += 2) {
      const Node& key = node(entries[i]);
      strings = strings && key.kind == ValueKind::String && key.text.find('\0') == std::string::npos;
      integers = integers && key.kind == ValueKind::Int;
      const std::string text = key.kind == ValueKind::Int ? std::to_string(key.integer) : key.text;
      strings = strings && ++names[text] == 1;
      integers = integers && names[text] <= 1;
    }
    integers = integers && !entries.empty();
    file_.set_attribute(path, kKeysAttribute, strings ? "string" : integers ? "int" : "any");
    for (size_t i = 0; i + 1 < entries.size(); i += 2) {
      const Node& key = node(entries[i]);
      if (strings || integers) {
        const std::string link = strings ? member_link(key.text) : std::to_string(key.integer);
        save(entries[i + 1], path + "/" + link, depth + 1);
      } else {
        save(entries[i], fmt::format("{}/{}/key", path, i / 2), depth + 1);
        save(entries[i + 1], fmt::format("{}/{}/value", path, i / 2), depth + 1);
      }
    }
  }

  void save_object(NodeId id, const std::string& path, int depth) {
    const Node& object = node(id);
    const std::string_view type = document_.type_name(id);
    if (type == kOrderedDict) {
      save_mapping(path, document_.entries(id), "ordered_dict", depth);
      if (object.object && !object.object->states.empty()) save(object.object->states[0], path + "/@state", depth + 1);
      return;
    }
    mark(path, "object");
    file_.set_attribute(path, kTypeAttribute, printable(type, 1000));
    save(object.items.at(1), path + "/args", depth + 1);
    if (object.items.size() > 2) save(object.items[2], path + "/kwargs", depth + 1);
    if (!object.object) return;
    if (!object.object->states.empty()) save_list(path + "/states", object.object->states, "list", depth + 1);
    if (!object.object->elements.empty()) save_list(path + "/elements", object.object->elements, "list", depth + 1);
    if (!object.object->entries.empty()) save_mapping(path + "/entries", object.object->entries, "dict", depth + 1);
  }

  /// The state dict's place in the structure; its tensors are under /state_dict already.
  bool save_state_dict(NodeId id, const std::string& path, int depth) {
    if (id != state_dict_) return false;
    const auto& entries = document_.entries(id);
    for (size_t i = 0; i + 1 < entries.size(); i += 2) {
      if (node(entries[i]).kind != ValueKind::String || node(entries[i + 1]).kind != ValueKind::Tensor) return false;
    }
    const bool ordered = document_.type_name(id) == kOrderedDict;
    mark(path, ordered ? "ordered_state_dict" : "state_dict");
    const Node& object = node(id);
    if (ordered && object.object && !object.object->states.empty()) {
      save(object.object->states[0], path + "/@state", depth + 1);
    }
    return true;
  }

  void save(NodeId id, const std::string& path, int depth) {
    guard(depth, path);
    const Node& value = node(id);
    switch (value.kind) {
      case ValueKind::None:
        return mark(path, "none");
      case ValueKind::Bool:
        return save_number(path, full({}, value.integer != 0, {.dtype = DType::Bool}), "bool");
      case ValueKind::Int: {
        Tensor number = empty({}, {.dtype = DType::Int64});
        number.data<int64_t>()[0] = value.integer;
        return save_number(path, number, "int");
      }
      case ValueKind::Float: {
        Tensor number = empty({}, {.dtype = DType::Float64});
        number.data<double>()[0] = value.real;
        return save_number(path, number, "float");
      }
      case ValueKind::BigInt:
        return save_bytes(path, value.text, "big_int");
      case ValueKind::Bytes:
        return save_bytes(path, value.text, "bytes");
      case ValueKind::String:
        if (value.text.find('\0') != std::string::npos) return save_bytes(path, value.text, "string");
        return file_.write_text(path, value.text);
      case ValueKind::List:
        if (!save_numbers(path, value, "list")) save_list(path, value.items, "list", depth);
        return;
      case ValueKind::Tuple:
        if (!save_numbers(path, value, "tuple")) save_list(path, value.items, "tuple", depth);
        return;
      case ValueKind::Set:
        return save_list(path, value.items, "set", depth);
      case ValueKind::FrozenSet:
        return save_list(path, value.items, "frozenset", depth);
      case ValueKind::Dict:
        if (!save_state_dict(id, path, depth)) save_mapping(path, value.items, "dict", depth);
        return;
      case ValueKind::Global:
        mark(path, "global");
        return file_.set_attribute(path, kTypeAttribute, printable(value.text, 1000));
      case ValueKind::Object:
        if (!save_state_dict(id, path, depth)) save_object(id, path, depth);
        return;
      case ValueKind::Persistent:
        fail("{}: an unresolved reference cannot be written", document_.source());
      case ValueKind::Tensor:
        save_tensor(id, path);
        return;
    }
  }

  const Document& document_;
  Hdf5Writer file_;
  NodeId state_dict_ = 0;
  uint64_t saved_ = 0;
  std::map<std::string, NodeId> parameters_;
  std::unordered_map<const void*, std::set<std::tuple<StoredDType, int64_t, Shape, Shape>>> views_of_;
  std::map<std::pair<const void*, StoredDType>, size_t> storages_;
  std::map<std::tuple<const void*, StoredDType, int64_t, Shape, Shape, bool, std::string>, std::string> views_;
};

}  // namespace

void write_hdf5_document(const std::string& path, const Document& document) {
  DocumentWriter(path, document).run();
}

}  // namespace bevgrad
