#include <algorithm>
#include <charconv>
#include <cstring>
#include <map>
#include <unordered_set>

#include "base/error.h"
#include "base/text.h"
#include "formats/hdf5/document.h"
#include "formats/hdf5/document_layout.h"
#include "formats/hdf5/tensor_file.h"
#include "hdf5/internal/shared_storage.h"
#include "pickle/internal/numbers.h"

namespace bevgrad {

namespace {

constexpr int kMaximumDepth = 64;
constexpr uint64_t kMaximumValues = 4'000'000;
constexpr int64_t kMaximumBytes = 256 << 20;
constexpr uint64_t kTextSlack = 256 << 20;

class DocumentReader {
 public:
  DocumentReader(std::shared_ptr<const ByteSource> source, Document& document)
      : path_(source->name()), document_(document), file_(std::move(source)) {}

  void run() {
    check_version();
    enter_group("");
    document_.root = file_.contains("document") ? read("document", 0) : read_plain_root();
    storages_.attach(document_);
  }

 private:
  template <class... Args>
  [[noreturn]] void wrong(const std::string& at, fmt::format_string<Args...> format, Args&&... args) const {
    fail("{}: /{}: {}", path_, printable(at), fmt::format(format, std::forward<Args>(args)...));
  }

  /// A group has one name: with two it could lie within itself.
  void enter_group(const std::string& at) {
    if (!groups_.insert(file_.object_number(at)).second) wrong(at, "a group that has another name too: a circle");
  }

  void guard(int depth, const std::string& at) {
    if (depth > kMaximumDepth) wrong(at, "nested more than {} deep, or in a circle", kMaximumDepth);
    if (++values_ > kMaximumValues) wrong(at, "more than {} values", kMaximumValues);
  }

  void check_version() const {
    const auto format = file_.text_attribute("", "format");
    if (!format || *format != kFormatName) return;
    const auto version = file_.int_attribute("", "format_version");
    if (!version || *version < 1 || *version > kFormatVersion) {
      fail("{}: format version {}, this program reads up to {}", path_, version.value_or(0), kFormatVersion);
    }
  }

  /// Files without /document: another program's, or the training checkpoint.
  NodeId read_plain_root() {
    const NodeId root = document_.make_dict();
    for (const char* key : {"epoch", "global_step"}) {
      if (const auto value = file_.float_attribute("", key)) {
        document_.insert(root, key, document_.make_int(*file_.int_attribute("", key)));
      }
    }
    for (const std::string& member : file_.members()) {
      if (!file_.is_group(member) && !file_.is_dataset(member)) continue;
      document_.insert(root, unescape_link(member), read_plain(member, member == "state_dict", 0));
    }
    if (const auto config = file_.text_attribute("", "config")) {
      const NodeId hyper = document_.make_dict();
      document_.insert(hyper, "config", document_.make_string(*config));
      document_.insert(root, "hyper_parameters", hyper);
    }
    return root;
  }

  NodeId read_plain(const std::string& at, bool ordered, int depth) {
    guard(depth, at);
    if (!file_.is_group(at)) {
      if (file_.is_null(at)) return document_.add({});
      return file_.is_text(at) ? read_texts(at) : read_tensor(at);
    }
    enter_group(at);
    const NodeId dict = ordered ? document_.make_ordered_dict() : document_.make_dict();
    for (const std::string& member : file_.members(at)) {
      const std::string inner = at + "/" + member;
      // What is neither, is a datatype with a name.
      if (!file_.is_group(inner) && !file_.is_dataset(inner)) continue;
      document_.insert(dict, unescape_link(member), read_plain(inner, false, depth + 1));
    }
    return dict;
  }

  /// One text, or a list of them.
  NodeId read_texts(const std::string& at) {
    std::vector<NodeId> items;
    for (std::string& text : file_.read_texts(at)) {
      charge(at, text.size());
      items.push_back(document_.make_string(std::move(text)));
    }
    values_ += items.size();
    return file_.sizes(at).empty() && items.size() == 1 ? items[0] : document_.make_list(std::move(items));
  }

  /// Counts bytes of texts: an honest file has room for them.
  void charge(const std::string& at, uint64_t bytes) {
    texts_ += bytes;
    if (texts_ > file_.bytes() + kTextSlack) wrong(at, "its texts take more room than the file");
  }

  std::string type_of(const std::string& at) {
    std::string type = file_.text_attribute(at, kTypeAttribute).value_or("unknown");
    charge(at, type.size());
    return type;
  }

  NodeId read_tensor(const std::string& at) {
    StoredTensor tensor = file_.stored(at);
    if (const auto parameter = file_.int_attribute(at, kParameterAttribute)) {
      tensor.is_parameter = true;
      tensor.requires_grad = *parameter == 2;
    }
    const auto strides = file_.text_attribute(at, kStridesAttribute);
    if (strides) {
      SharedStorages::Part part{.values = tensor, .path = at, .strides = parse_strides(at, *strides)};
      if (part.strides.size() != tensor.sizes.size()) wrong(at, "strides '{}' do not fit", printable(*strides, 80));
      if (const auto storage = file_.int_attribute(at, kStorageAttribute)) {
        part.storage = *storage;
        part.offset = file_.int_attribute(at, kOffsetAttribute).value_or(0);
      }
      const NodeId id = document_.make_tensor(std::move(tensor));
      storages_.add(id, std::move(part));
      return id;
    }
    return document_.make_tensor(std::move(tensor));
  }

  Shape parse_strides(const std::string& at, std::string_view text) const {
    Shape out;
    while (!text.empty()) {
      int64_t value = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
      if (error != std::errc() || value < 0) wrong(at, "broken strides '{}'", printable(text, 80));
      out.push_back(value);
      text.remove_prefix(static_cast<size_t>(end - text.data()));
      if (!text.empty() && text[0] != ',') wrong(at, "broken strides '{}'", printable(text, 80));
      if (!text.empty()) text.remove_prefix(1);
    }
    return out;
  }

  std::string read_bytes(const std::string& at) {
    const StoredTensor bytes = file_.stored(at);
    if (bytes.dtype != StoredDType::UInt8 || bytes.sizes.size() != 1 || bytes.sizes[0] > kMaximumBytes) {
      wrong(at, "no bytes");
    }
    std::string out(static_cast<size_t>(bytes.sizes[0]), '\0');
    charge(at, out.size());
    bytes.storage->read(0, std::as_writable_bytes(std::span(out)));
    return out;
  }

  /// A dataset: a tensor, unless its kind says that it is a number, a list of numbers, or bytes.
  NodeId read_dataset(const std::string& at) {
    if (file_.is_text(at)) return read_texts(at);
    const auto kind = file_.text_attribute(at, kKindAttribute);
    if (!kind) return read_tensor(at);
    if (*kind == "bytes") return document_.make_bytes(read_bytes(at));
    if (*kind == "string") return document_.make_string(read_bytes(at));
    if (*kind == "big_int") return document_.add({.kind = ValueKind::BigInt, .text = read_bytes(at)});
    const StoredTensor stored = file_.stored(at);
    const bool list = *kind == "list" || *kind == "tuple";
    if (stored.sizes.size() != (list ? 1 : 0) || stored.numel() > kMaximumBytes / 8) wrong(at, "no {}", *kind);
    const Tensor values = to_tensor(stored, at);
    const auto number = [&](int64_t i) {
      switch (values.dtype()) {
        case DType::Bool:
          return document_.make_bool(values.data<const bool>()[i]);
        case DType::Int64:
          return document_.make_int(values.data<const int64_t>()[i]);
        case DType::Float64:
          return document_.make_float(values.data<const double>()[i]);
        default:
          wrong(at, "a {} of {}", *kind, name(values.dtype()));
      }
    };
    if (!list) return number(0);
    std::vector<NodeId> items;
    for (int64_t i = 0; i < values.numel(); ++i) items.push_back(number(i));
    values_ += items.size();
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
        if (error != std::errc() || end != member.data() + member.size()) wrong(inner, "a key that is no integer");
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
    guard(depth, at);
    if (!file_.is_group(at)) return read_dataset(at);
    enter_group(at);
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
      for (const std::string& member : file_.members("state_dict")) {
        guard(depth, member);
        document_.insert(dict, unescape_link(member), read_tensor("state_dict/" + member));
      }
    } else if (kind == "dict" || kind == "ordered_dict") {
      read_entries(at, dict, depth);
    } else {
      wrong(at, "unknown kind '{}'", printable(kind, 40));
    }
    if (ordered) read_state(at, dict, depth);
    return dict;
  }

  const std::string path_;
  Document& document_;
  Hdf5Reader file_;
  SharedStorages storages_;
  uint64_t values_ = 0;
  uint64_t texts_ = 0;
  std::unordered_set<uint64_t> groups_;
};

}  // namespace

std::shared_ptr<Document> read_hdf5_document(std::shared_ptr<const ByteSource> source) {
  auto document = std::make_shared<Document>(source->name());
  DocumentReader(std::move(source), *document).run();
  return document;
}

}  // namespace bevgrad
