#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "base/text.h"
#include "hdf5/internal/document_parts.h"
#include "pickle/internal/numbers.h"

namespace bevgrad {

namespace {

constexpr std::string_view kRead[] = {"dtype", "checksum"};  // which say how a dataset is to be read

class ForeignReader {
 public:
  ForeignReader(DatasetValues& values, bool own)
      : values_(values), file_(values.file()), document_(values.document()), walk_(values), own_(own) {}

  void run() {
    walk_.enter("", 0);
    const NodeId root = document_.make_dict();
    document_.root = root;
    document_.metadata = document_.make_dict();
    if (own_) {
      put_known_attributes(root);
    } else {
      put_attributes("");
    }
    for (const std::string& member : in_stated_order("", file_.members())) {
      if (!file_.is_group(member) && !file_.is_dataset(member)) continue;
      document_.insert(root, unescape_link(member), read(member, member == "state_dict", 1));
    }
    const auto config = own_ ? file_.text_attribute("", "config") : std::nullopt;
    if (!config) return;
    const NodeId hyper = document_.make_dict();
    document_.insert(hyper, "config", document_.make_string(*config));
    document_.insert(root, "hyper_parameters", hyper);
  }

 private:
  /// Those of a training checkpoint.
  void put_known_attributes(NodeId root) {
    for (const char* key : {"epoch", "global_step"}) {
      if (const auto value = file_.int_attribute("", key)) document_.insert(root, key, document_.make_int(*value));
    }
  }

  void put_attributes(const std::string& at) {
    if (own_) return;
    for (const Hdf5Attribute& attribute : file_.attributes(at)) {
      const std::string_view* end = std::end(kRead);
      if (!at.empty() && std::find(std::begin(kRead), end, attribute.name) != end) continue;
      const std::string name = at.empty() ? attribute.name : at + "@" + attribute.name;
      values_.charge(at, name.size() + attribute.bytes.size());
      if (attribute.kind == Hdf5Attribute::Kind::Other) {
        document_.left_out.push_back(fmt::format("attribute '{}' ({})", printable(name, 80), attribute.type));
        continue;
      }
      document_.insert(document_.metadata, name, value_of(attribute, at));
    }
  }

  NodeId value_of(const Hdf5Attribute& attribute, const std::string& at) {
    if (attribute.kind == Hdf5Attribute::Kind::Nothing) return document_.add({});
    if (attribute.kind == Hdf5Attribute::Kind::Texts) {
      std::vector<NodeId> items;
      values_.count(attribute.texts.size(), at);
      for (const std::string& text : attribute.texts) {
        values_.charge(at, text.size());
        items.push_back(document_.make_string(text));
      }
      return attribute.sizes.empty() && items.size() == 1 ? items[0] : document_.make_list(std::move(items));
    }
    const std::string where = fmt::format("{}: attribute '{}'", document_.source(), printable(attribute.name, 80));
    StoredTensor tensor{
        .storage = range_storage(where, memory_source(where, attribute.bytes), 0, attribute.bytes.size()),
        .dtype = attribute.dtype,
        .sizes = attribute.sizes,
        .strides = contiguous_strides(attribute.sizes, where)};
    validate(tensor, where);
    if (!attribute.sizes.empty()) return document_.make_tensor(std::move(tensor));
    const auto* bytes = reinterpret_cast<const std::byte*>(attribute.bytes.data());
    if (attribute.dtype == StoredDType::Bool) return document_.make_bool(attribute.bytes[0] != 0);
    const std::string_view dtype = name(attribute.dtype);
    if (dtype.starts_with("complex")) return document_.make_tensor(std::move(tensor));
    if (is_floating_point(attribute.dtype)) return document_.make_float(to_double(attribute.dtype, bytes));
    std::string digits = attribute.bytes;
    if (dtype.starts_with("uint")) digits.push_back('\0');
    if (const auto small = small_integer(digits)) return document_.make_int(*small);
    return document_.add({.kind = ValueKind::BigInt, .text = digits});
  }

  NodeId read(const std::string& at, bool ordered, int depth) {
    values_.count(1, at);
    put_attributes(at);
    if (!file_.is_group(at)) {
      if (file_.is_null(at)) return document_.add({});
      return file_.is_text(at) ? values_.texts(at) : values_.tensor(at);
    }
    walk_.enter(at, depth);
    const NodeId dict = ordered ? document_.make_ordered_dict() : document_.make_dict();
    for (const std::string& member : in_stated_order(at, file_.members(at))) {
      const std::string inner = at + "/" + member;
      // What is neither, is a datatype with a name.
      if (!file_.is_group(inner) && !file_.is_dataset(inner)) continue;
      document_.insert(dict, unescape_link(member), read(inner, false, depth + 1));
    }
    return dict;
  }

  /// Keras lists a model's layers, and a layer's variables ("conv1/kernel:0"), in attributes; groups by themselves are
  /// sorted by name. Members that no list names come last.
  std::vector<std::string> in_stated_order(const std::string& at, std::vector<std::string> members) const {
    if (own_) return members;
    std::unordered_map<std::string, size_t> places;
    const auto add = [&](const std::string& path) {
      places.try_emplace(path.substr(0, path.find('/')), places.size());
    };
    for (const Hdf5Attribute& attribute : file_.attributes(at)) {
      const bool variables = attribute.name == "weight_names";
      if ((!variables && attribute.name != "layer_names") || attribute.kind != Hdf5Attribute::Kind::Texts) continue;
      for (const std::string& text : attribute.texts) add(text);
      if (variables) orders_[at] = attribute.texts;
    }
    // Below a layer: what its list says of the groups on the way to its variables.
    for (size_t end = at.rfind('/'); places.empty() && end != std::string::npos && end > 0;
         end = at.rfind('/', end - 1)) {
      const auto list = orders_.find(at.substr(0, end));
      if (list == orders_.end()) continue;
      const std::string below = at.substr(end + 1) + "/";
      for (const std::string& text : list->second) {
        if (text.starts_with(below)) add(text.substr(below.size()));
      }
    }
    if (places.empty()) return members;
    std::stable_sort(members.begin(), members.end(), [&](const std::string& a, const std::string& b) {
      const auto place = [&](const std::string& name) {
        const auto found = places.find(name);
        return found == places.end() ? places.size() : found->second;
      };
      return place(a) < place(b);
    });
    return members;
  }

  DatasetValues& values_;
  const Hdf5Reader& file_;
  Document& document_;
  GroupWalk walk_;
  bool own_;
  mutable std::unordered_map<std::string, std::vector<std::string>> orders_;  // weight_names by group
};

}  // namespace

void read_foreign_document(DatasetValues& values, bool own) {
  ForeignReader(values, own).run();
}

}  // namespace bevgrad
