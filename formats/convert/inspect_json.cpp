#include <cmath>
#include <unordered_set>

#include "base/error.h"
#include "convert/internal/stats.h"
#include "convert/internal/tensor_totals.h"
#include "formats/convert/inspect.h"
#include "internal/limits.h"
#include "internal/value_text.h"
#include "pickle/internal/numbers.h"
#include "safetensors/internal/json.h"

namespace bevgrad {

namespace {

constexpr uint64_t kMaximumListedLines = 1'000'000;

class JsonInspector {
 public:
  JsonInspector(const CheckpointFile& file, const InspectOptions& options)
      : file_(file), document_(*file.document), options_(options), totals_(document_) {}

  std::string run() {
    tensors_json(document_.root, "", 0);
    std::string list = std::move(out_);
    out_ = fmt::format(
        "{{\"file\":{},\"format\":{},\"tensors\":[{}],\"totals\":{{\"tensors\":{},\"values\":{},"
        "\"storages\":{},\"storage_bytes\":{}}},\"metadata\":",
        json_string(file_.path), json_string(name(file_.format)), list, totals_.tensors, totals_.values,
        totals_.storages(), totals_.bytes);
    lines_ = 0;
    value_json(document_.root, 0);
    out_ += ",\"file_metadata\":";
    entries_json(document_.entries(document_.metadata), 0);
    out_ += ",\"not_read\":[";
    for (size_t i = 0; i < document_.left_out.size(); ++i) {
      out_ += (i == 0 ? "" : ",") + json_string(document_.left_out[i]);
    }
    out_ += "]}\n";
    return std::move(out_);
  }

 private:
  const Node& node(NodeId id) const { return document_.node(id); }

  void guard(int depth) {
    check(depth <= kMaximumDepth, "{}: nested more than {} deep", file_.path, kMaximumDepth);
    check(++lines_ <= kMaximumListedLines, "{}: the structure unfolds to more than {} values", file_.path,
          kMaximumListedLines);
  }

  void tensors_json(NodeId id, const std::string& path, int depth) {
    guard(depth);
    if (!open_.insert(id).second) return;  // within itself: it has been listed
    tensors_inside(id, path, depth);
    open_.erase(id);
  }

  void tensors_inside(NodeId id, const std::string& path, int depth) {
    const Node& of = node(id);
    const auto items = [&](const std::vector<NodeId>& all) {
      for (size_t i = 0; i < all.size(); ++i) {
        tensors_json(all[i], path.empty() ? std::to_string(i) : fmt::format("{}.{}", path, i), depth + 1);
      }
    };
    const auto entries = [&](const std::vector<NodeId>& all) {
      for (size_t i = 0; i + 1 < all.size(); i += 2) {
        const std::string label = key_text(document_, all[i]);
        tensors_json(all[i + 1], path.empty() ? label : path + "." + label, depth + 1);
      }
    };
    switch (of.kind) {
      case ValueKind::Tensor: {
        const StoredTensor& tensor = *of.tensor;
        const size_t storage = totals_.add(tensor);
        const auto list = [](const Shape& shape) {
          std::string text;
          for (const int64_t size : shape) text += (text.empty() ? "" : ",") + std::to_string(size);
          return "[" + text + "]";
        };
        out_ += fmt::format(
            "{}{{\"name\":{},\"dtype\":\"{}\",\"shape\":{},\"bytes\":{},\"storage\":{},"
            "\"storage_offset\":{},\"strides\":{},\"shared\":{}",
            out_.empty() ? "" : ",", json_string(path), name(tensor.dtype), list(tensor.sizes), tensor.nbytes(),
            storage, tensor.offset, list(tensor.strides), totals_.users(tensor) > 1);
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
      out_ += json_string(key_text(document_, entries[i])) + ":";
      value_json(entries[i + 1], depth + 1);
    }
    out_ += "}";
  }

  void value_json(NodeId id, int depth) {
    guard(depth);
    if (!open_.insert(id).second) {
      out_ += "\"a reference back to a value that holds it\"";
      return;
    }
    value_inside(id, depth);
    open_.erase(id);
  }

  void value_inside(NodeId id, int depth) {
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
        out_ += std::isfinite(of.real) ? float_text(of.real) : number_json(of.real);
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
        out_ += json_string(of.kind == ValueKind::Bytes ? fmt::format("{} bytes", of.text.size())
                                                        : value_text(document_, id));
        return;
    }
  }

  const CheckpointFile& file_;
  const Document& document_;
  const InspectOptions& options_;
  TensorTotals totals_;
  std::string out_;
  uint64_t lines_ = 0;
  std::unordered_set<NodeId> open_;  // the values on the way to this one
};

}  // namespace

std::string number_json(double value) {
  if (std::isnan(value)) return "\"nan\"";
  if (std::isinf(value)) return value > 0 ? "\"inf\"" : "\"-inf\"";
  return fmt::format("{}", value);
}

std::string inspect_as_json(const CheckpointFile& file, const InspectOptions& options) {
  return JsonInspector(file, options).run();
}

}  // namespace bevgrad
