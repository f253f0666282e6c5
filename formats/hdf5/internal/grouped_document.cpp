// The structure of format version 1: docs/file_formats.md describes it.
#include <charconv>

#include "base/text.h"
#include "formats/hdf5/document_layout.h"
#include "hdf5/internal/document_parts.h"

namespace bevgrad {

namespace {

class GroupedReader {
 public:
  explicit GroupedReader(DatasetValues& values)
      : values_(values), file_(values.file()), document_(values.document()), walk_(values) {}

  void run() { document_.root = read(kDocument, 0); }

 private:
  /// A dataset: a tensor, unless its kind says that it is a number, a list of numbers, or bytes.
  NodeId read_dataset(const std::string& at) {
    if (file_.is_text(at)) return values_.texts(at);
    const auto kind = file_.text_attribute(at, kKindAttribute);
    if (!kind) return values_.tensor(at);
    if (*kind == "bytes") return document_.make_bytes(values_.bytes(at));
    if (*kind == "string") return document_.make_string(values_.bytes(at));
    if (*kind == "big_int") return document_.add({.kind = ValueKind::BigInt, .text = values_.bytes(at)});
    const bool list = *kind == "list" || *kind == "tuple";
    if (file_.sizes(at).size() != (list ? 1 : 0)) values_.wrong(at, "no {}", printable(*kind, 40));
    std::vector<NodeId> items = values_.numbers(at);
    if (!list) return items[0];
    return *kind == "list" ? document_.make_list(std::move(items)) : document_.make_tuple(std::move(items));
  }

  std::vector<NodeId> read_list(const std::string& at, int depth) {
    std::vector<NodeId> items;
    for (size_t i = 0, count = file_.members(at).size(); i < count; ++i) {
      items.push_back(read(fmt::format("{}/{}", at, i), depth + 1));
    }
    return items;
  }

  void read_entries(const std::string& at, NodeId dict, int depth) {
    const std::string keys = file_.text_attribute(at, kKeysAttribute).value_or("string");
    for (const std::string& member : file_.members(at)) {
      const std::string inner = at + "/" + member;
      if (member.starts_with('@')) continue;
      if (keys == "string") {
        document_.insert(dict, unescape_link(member), read(inner, depth + 1));
      } else if (keys == "int") {
        int64_t key = 0;
        const auto [end, error] = std::from_chars(member.data(), member.data() + member.size(), key);
        if (error != std::errc() || end != member.data() + member.size()) {
          values_.wrong(inner, "a key that is no integer");
        }
        document_.insert(dict, document_.make_int(key), read(inner, depth + 1));
      } else {
        const NodeId key = read(inner + "/key", depth + 1);
        document_.insert(dict, key, read(inner + "/value", depth + 1));
      }
    }
  }

  void read_state(const std::string& at, NodeId object, int depth) {
    if (!file_.contains(at + "/@state")) return;
    const NodeId state = read(at + "/@state", depth + 1);
    document_.node(object).object->states.push_back(state);
  }

  std::string type_of(const std::string& at) {
    std::string type = file_.text_attribute(at, kTypeAttribute).value_or("unknown");
    values_.charge(at, type.size());
    return type;
  }

  NodeId read_object(const std::string& at, int depth) {
    const NodeId callable = document_.add({.kind = ValueKind::Global, .text = type_of(at)});
    Node object{.kind = ValueKind::Object, .items = {callable}};
    object.object = std::make_unique<ObjectParts>();
    object.items.push_back(file_.contains(at + "/args") ? read(at + "/args", depth + 1) : document_.make_tuple());
    if (file_.contains(at + "/kwargs")) object.items.push_back(read(at + "/kwargs", depth + 1));
    if (file_.contains(at + "/states")) object.object->states = read_list(at + "/states", depth + 1);
    if (file_.contains(at + "/elements")) object.object->elements = read_list(at + "/elements", depth + 1);
    const NodeId id = document_.add(std::move(object));
    if (file_.contains(at + "/entries")) read_entries(at + "/entries", id, depth + 1);
    return id;
  }

  NodeId read(const std::string& at, int depth) {
    values_.count(1, at);
    if (!file_.is_group(at)) return read_dataset(at);
    walk_.enter(at, depth);
    const std::string kind = file_.text_attribute(at, kKindAttribute).value_or("dict");
    if (kind == "none") return document_.add({});
    if (kind == "list") return document_.make_list(read_list(at, depth));
    if (kind == "tuple") return document_.make_tuple(read_list(at, depth));
    if (kind == "set") return document_.add({.kind = ValueKind::Set, .items = read_list(at, depth)});
    if (kind == "frozenset") return document_.add({.kind = ValueKind::FrozenSet, .items = read_list(at, depth)});
    if (kind == "object") return read_object(at, depth);
    if (kind == "global") return document_.add({.kind = ValueKind::Global, .text = type_of(at)});
    const bool ordered = kind.starts_with("ordered_");
    const NodeId dict = ordered ? document_.make_ordered_dict() : document_.make_dict();
    if (kind == "state_dict" || kind == "ordered_state_dict") {
      for (const std::string& member : file_.members(kStateDictGroup)) {
        values_.count(1, member);
        document_.insert(dict, unescape_link(member), values_.tensor(fmt::format("{}/{}", kStateDictGroup, member)));
      }
    } else if (kind == "dict" || kind == "ordered_dict") {
      read_entries(at, dict, depth);
    } else {
      values_.wrong(at, "unknown kind '{}'", printable(kind, 40));
    }
    if (ordered) read_state(at, dict, depth);
    return dict;
  }

  DatasetValues& values_;
  const Hdf5Reader& file_;
  Document& document_;
  GroupWalk walk_;
};

}  // namespace

void read_grouped_document(DatasetValues& values) {
  GroupedReader(values).run();
}

}  // namespace bevgrad
