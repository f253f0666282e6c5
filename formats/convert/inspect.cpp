#include "formats/convert/inspect.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/text.h"
#include "convert/internal/stats.h"
#include "formats/pickle/trust.h"
#include "formats/reachable.h"
#include "pickle/internal/numbers.h"
#include "safetensors/internal/json.h"

namespace bevgrad {

namespace {

constexpr int kMaximumDepth = 200;
constexpr uint64_t kMaximumLines = 1'000'000;
constexpr size_t kShownItems = 64;  // of a long list
constexpr size_t kTextWidth = 100;

std::string bytes_text(uint64_t bytes) {
  if (bytes < 10'000) return fmt::format("{} B", bytes);
  if (bytes < 10'000'000) return fmt::format("{:.1f} kB", static_cast<double>(bytes) / 1e3);
  if (bytes < 10'000'000'000) return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
  return fmt::format("{:.2f} GB", static_cast<double>(bytes) / 1e9);
}

std::string number_json(double value) {
  if (std::isnan(value)) return "\"nan\"";
  if (std::isinf(value)) return value > 0 ? "\"inf\"" : "\"-inf\"";
  return fmt::format("{}", value);
}

std::string stats_text(const TensorStats& s) {
  std::string out = fmt::format("min {:.6g} max {:.6g} mean {:.6g} std {:.6g}", s.min, s.max, s.mean, s.std);
  if (s.nan != 0) out += fmt::format(" NaN {}", s.nan);
  if (s.infinite != 0) out += fmt::format(" Inf {}", s.infinite);
  return out;
}

class Inspector {
 public:
  Inspector(const CheckpointFile& file, const InspectOptions& options)
      : file_(file), document_(*file.document), options_(options) {
    for (const NodeId id : reachable_nodes(document_)) {
      const Node& node = document_.node(id);
      if (node.kind != ValueKind::Tensor) continue;
      ++users_[identity(*node.tensor->storage)];
    }
  }

  std::string text() {
    out_ = fmt::format("{}: {}\n", printable(file_.path, 1000), name(file_.format));
    tree(document_.root, "", 0);
    out_ += fmt::format("{} tensors, {} values, {} in {} storages\n", tensors_, values_, bytes_text(bytes_),
                        storages_.size());
    for (const auto& [dtype, count] : by_dtype_) out_ += fmt::format("  {}: {} tensors\n", dtype, count);
    return std::move(out_);
  }

  std::string json() {
    tensors_json(document_.root, "", 0);
    std::string list = std::move(out_);
    out_ = fmt::format(
        "{{\"file\":{},\"format\":{},\"tensors\":[{}],\"totals\":{{\"tensors\":{},\"values\":{},"
        "\"storages\":{},\"storage_bytes\":{}}},\"metadata\":",
        json_string(file_.path), json_string(name(file_.format)), list, tensors_, values_, storages_.size(), bytes_);
    lines_ = 0;
    value_json(document_.root, 0);
    out_ += "}\n";
    return std::move(out_);
  }

 private:
  const Node& node(NodeId id) const { return document_.node(id); }

  void guard(int depth) {
    check(depth <= kMaximumDepth, "{}: nested more than {} deep, or in a circle", file_.path, kMaximumDepth);
    check(++lines_ <= kMaximumLines, "{}: the structure unfolds to more than {} values", file_.path, kMaximumLines);
  }

  size_t storage_number(const StoredTensor& tensor) {
    const auto [at, added] = storages_.try_emplace(identity(*tensor.storage), storages_.size());
    if (added) bytes_ += tensor.storage->bytes();
    return at->second;
  }

  void count(const StoredTensor& tensor) {
    ++tensors_;
    values_ += static_cast<uint64_t>(tensor.numel());
    ++by_dtype_[std::string(name(tensor.dtype))];
  }

  std::string key_text(NodeId id) const {
    const Node& key = node(id);
    switch (key.kind) {
      case ValueKind::String:
        return printable(key.text, 300);
      case ValueKind::Int:
        return fmt::format("[{}]", key.integer);
      default:
        return fmt::format("<{}>", name(key.kind));
    }
  }

  std::string tensor_text(const Node& of) {
    const StoredTensor& tensor = *of.tensor;
    const size_t storage = storage_number(tensor);
    count(tensor);
    std::string out = fmt::format("{} {} {}", name(tensor.dtype), to_string(tensor.sizes), bytes_text(tensor.nbytes()));
    out += fmt::format("  storage {}", storage);
    if (tensor.offset != 0) out += fmt::format(" offset {}", tensor.offset);
    if (!tensor.is_contiguous()) out += fmt::format(" strides {}", to_string(tensor.strides));
    if (users_.at(identity(*tensor.storage)) > 1) {
      out += fmt::format(" (shared by {})", users_.at(identity(*tensor.storage)));
    }
    if (tensor.is_parameter) out += " parameter";
    if (of.text == "numpy.ndarray") out += " numpy";
    if (options_.stats) out += "  " + stats_text(stats_of(tensor));
    return out;
  }

  std::string scalar_text(const Node& of) const {
    switch (of.kind) {
      case ValueKind::None:
        return "None";
      case ValueKind::Bool:
        return of.integer != 0 ? "True" : "False";
      case ValueKind::Int:
        return std::to_string(of.integer);
      case ValueKind::BigInt:
        return format_integer(of.text);
      case ValueKind::Float:
        return fmt::format("{}", of.real);
      case ValueKind::String:
        return "'" + printable(of.text, kTextWidth) + "'";
      case ValueKind::Bytes:
        return fmt::format("{} bytes", of.text.size());
      case ValueKind::Global:
        return "name " + printable(of.text, kTextWidth);
      default:
        return std::string(name(of.kind));
    }
  }

  void line(int depth, const std::string& label, const std::string& text) {
    out_ += std::string(static_cast<size_t>(depth) * 2, ' ');
    out_ += label.empty() ? text : label + ": " + text;
    out_ += '\n';
  }

  void tree_items(const std::vector<NodeId>& items, int depth) {
    for (size_t i = 0; i < items.size(); ++i) {
      if (i == kShownItems && node(items[i]).kind != ValueKind::Tensor) {
        line(depth, "", fmt::format("... {} more", items.size() - i));
        return;
      }
      tree(items[i], fmt::format("[{}]", i), depth);
    }
  }

  void tree_entries(const std::vector<NodeId>& entries, int depth) {
    for (size_t i = 0; i + 1 < entries.size(); i += 2) tree(entries[i + 1], key_text(entries[i]), depth);
  }

  /// Short lists of plain values on one line.
  bool one_line(const Node& of, std::string& out) const {
    if (of.items.size() > 16) return false;
    for (const NodeId item : of.items) {
      const ValueKind kind = node(item).kind;
      if (kind != ValueKind::Int && kind != ValueKind::Float && kind != ValueKind::Bool && kind != ValueKind::None) {
        return false;
      }
      out += (out.empty() ? "" : ", ") + scalar_text(node(item));
    }
    return true;
  }

  void tree(NodeId id, const std::string& label, int depth) {
    guard(depth);
    const Node& of = node(id);
    switch (of.kind) {
      case ValueKind::Tensor:
        return line(depth, label, tensor_text(of));
      case ValueKind::List:
      case ValueKind::Tuple:
      case ValueKind::Set:
      case ValueKind::FrozenSet: {
        std::string short_text;
        if (one_line(of, short_text)) return line(depth, label, fmt::format("{} ({})", name(of.kind), short_text));
        line(depth, label, fmt::format("{} of {}", name(of.kind), of.items.size()));
        return tree_items(of.items, depth + 1);
      }
      case ValueKind::Dict:
        line(depth, label, fmt::format("dict of {}", of.items.size() / 2));
        return tree_entries(of.items, depth + 1);
      case ValueKind::Object:
        return tree_object(id, label, depth);
      default:
        return line(depth, label, scalar_text(of));
    }
  }

  void tree_object(NodeId id, const std::string& label, int depth) {
    const Node& of = node(id);
    const std::string type = printable(document_.type_name(id), kTextWidth);
    const size_t entries = of.object ? of.object->entries.size() / 2 : 0;
    line(depth, label, entries != 0 ? fmt::format("{} of {}", type, entries) : type);
    if (type != "collections.OrderedDict" && of.items.size() > 1) tree_items(node(of.items[1]).items, depth + 1);
    if (!of.object) return;
    tree_entries(of.object->entries, depth + 1);
    tree_items(of.object->elements, depth + 1);
    if (type == "collections.OrderedDict") return;
    for (const NodeId state : of.object->states) tree(state, "state", depth + 1);
  }

  void tensors_json(NodeId id, const std::string& path, int depth) {
    guard(depth);
    const Node& of = node(id);
    const auto items = [&](const std::vector<NodeId>& all) {
      for (size_t i = 0; i < all.size(); ++i) {
        tensors_json(all[i], path.empty() ? std::to_string(i) : fmt::format("{}.{}", path, i), depth + 1);
      }
    };
    const auto entries = [&](const std::vector<NodeId>& all) {
      for (size_t i = 0; i + 1 < all.size(); i += 2) {
        const Node& key = node(all[i]);
        const std::string label = key.kind == ValueKind::Int ? std::to_string(key.integer) : key.text;
        tensors_json(all[i + 1], path.empty() ? label : path + "." + label, depth + 1);
      }
    };
    switch (of.kind) {
      case ValueKind::Tensor: {
        const StoredTensor& tensor = *of.tensor;
        const size_t storage = storage_number(tensor);
        count(tensor);
        const auto list = [](const Shape& shape) {
          std::string text;
          for (const int64_t size : shape) text += (text.empty() ? "" : ",") + std::to_string(size);
          return "[" + text + "]";
        };
        out_ += fmt::format(
            "{}{{\"name\":{},\"dtype\":\"{}\",\"shape\":{},\"bytes\":{},\"storage\":{},"
            "\"storage_offset\":{},\"strides\":{},\"shared\":{}",
            out_.empty() ? "" : ",", json_string(path), name(tensor.dtype), list(tensor.sizes), tensor.nbytes(),
            storage, tensor.offset, list(tensor.strides), users_.at(identity(*tensor.storage)) > 1);
        if (options_.stats) {
          const TensorStats s = stats_of(tensor);
          out_ += fmt::format(",\"min\":{},\"max\":{},\"mean\":{},\"std\":{},\"nan\":{},\"inf\":{}", number_json(s.min),
                              number_json(s.max), number_json(s.mean), number_json(s.std), s.nan, s.infinite);
        }
        out_ += "}";
        return;
      }
      case ValueKind::Dict:
        return entries(of.items);
      case ValueKind::List:
      case ValueKind::Tuple:
      case ValueKind::Set:
      case ValueKind::FrozenSet:
        return items(of.items);
      case ValueKind::Object:
        if (of.items.size() > 1) items(node(of.items[1]).items);
        if (!of.object) return;
        entries(of.object->entries);
        items(of.object->elements);
        for (const NodeId state : of.object->states) tensors_json(state, path, depth + 1);
        return;
      default:
        return;
    }
  }

  void list_json(const std::vector<NodeId>& items, int depth) {
    out_ += "[";
    for (size_t i = 0; i < items.size(); ++i) {
      if (i != 0) out_ += ",";
      value_json(items[i], depth + 1);
    }
    out_ += "]";
  }

  void entries_json(const std::vector<NodeId>& entries, int depth) {
    out_ += "{";
    bool first = true;
    for (size_t i = 0; i + 1 < entries.size(); i += 2) {
      if (node(entries[i + 1]).kind == ValueKind::Tensor) continue;
      if (!first) out_ += ",";
      first = false;
      const Node& key = node(entries[i]);
      out_ += json_string(key.kind == ValueKind::String ? key.text : scalar_text(key)) + ":";
      value_json(entries[i + 1], depth + 1);
    }
    out_ += "}";
  }

  void value_json(NodeId id, int depth) {
    guard(depth);
    const Node& of = node(id);
    switch (of.kind) {
      case ValueKind::None:
        out_ += "null";
        return;
      case ValueKind::Bool:
        out_ += of.integer != 0 ? "true" : "false";
        return;
      case ValueKind::Int:
        out_ += std::to_string(of.integer);
        return;
      case ValueKind::BigInt:
        out_ += json_string(format_integer(of.text));
        return;
      case ValueKind::Float:
        out_ += number_json(of.real);
        return;
      case ValueKind::String:
        out_ += json_string(of.text);
        return;
      case ValueKind::Dict:
        return entries_json(of.items, depth);
      case ValueKind::List:
      case ValueKind::Tuple:
      case ValueKind::Set:
      case ValueKind::FrozenSet:
        return list_json(of.items, depth);
      case ValueKind::Object:
        if (document_.is_mapping(id) && document_.type_name(id).starts_with("collections.")) {
          return entries_json(document_.entries(id), depth);
        }
        out_ += "{\"__class__\":" + json_string(document_.type_name(id)) + ",\"args\":";
        list_json(of.items.size() > 1 ? node(of.items[1]).items : std::vector<NodeId>(), depth);
        if (of.object && !of.object->states.empty()) {
          out_ += ",\"state\":";
          list_json(of.object->states, depth);
        }
        out_ += "}";
        return;
      case ValueKind::Tensor:
        out_ += json_string("tensor " + describe(*of.tensor));
        return;
      default:
        out_ += json_string(scalar_text(of));
        return;
    }
  }

  const CheckpointFile& file_;
  const Document& document_;
  const InspectOptions& options_;
  std::string out_;
  uint64_t lines_ = 0;
  uint64_t tensors_ = 0;
  uint64_t values_ = 0;
  uint64_t bytes_ = 0;
  std::map<std::string, uint64_t> by_dtype_;
  std::unordered_map<const void*, size_t> storages_;
  std::unordered_map<const void*, int> users_;
};

}  // namespace

std::string inspect_checkpoint(const CheckpointFile& file, const InspectOptions& options) {
  Inspector inspector(file, options);
  return options.json ? inspector.json() : inspector.text();
}

std::string globals_text(const std::string& path, const std::vector<GlobalUse>& globals, bool json) {
  std::string out;
  if (json) {
    for (const GlobalUse& use : globals) {
      out += fmt::format("{}{{\"name\":{},\"trust\":{},\"first_byte\":{},\"mentions\":{},\"calls\":{}}}",
                         out.empty() ? "" : ",", json_string(use.name), json_string(name(use.trust)), use.first,
                         use.mentions, use.calls);
    }
    return fmt::format("{{\"file\":{},\"globals\":[{}]}}\n", json_string(path), out);
  }
  out =
      fmt::format("{}: {} names in its pickle (none was imported or called)\n", printable(path, 1000), globals.size());
  for (const GlobalUse& use : globals) {
    out += fmt::format("  {:<16} {}  named {}, called {}, first at byte {}\n", name(use.trust), printable(use.name),
                       use.mentions, use.calls, use.first);
  }
  return out;
}

}  // namespace bevgrad
