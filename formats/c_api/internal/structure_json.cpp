#include "c_api/internal/structure_json.h"

#include <cmath>
#include <unordered_set>

#include "base/error.h"
#include "base/text.h"
#include "formats/reachable.h"
#include "internal/base64.h"
#include "internal/value_text.h"
#include "pickle/internal/numbers.h"
#include "safetensors/internal/json.h"

namespace bevgrad {

namespace {

constexpr int kMaximumStructureDepth = 400;

class StructureWriter {
 public:
  StructureWriter(const Document& document, const std::unordered_map<NodeId, size_t>& tensors)
      : document_(document), tensors_(tensors) {
    find_shared();
  }

  std::string run() {
    out_ = "{\"root\":";
    value(document_.root, 0);
    out_ += ",\"metadata\":";
    value(document_.metadata, 0);
    out_ += ",\"left_out\":[";
    for (size_t i = 0; i < document_.left_out.size(); ++i) {
      out_ += (i == 0 ? "" : ",") + json_string(document_.left_out[i]);
    }
    out_ += "]}";
    return std::move(out_);
  }

 private:
  const Node& node(NodeId id) const { return document_.node(id); }

  /// Containers that are mentioned more than once: they are written once, and circles end.
  void find_shared() {
    std::unordered_set<NodeId> seen;
    const auto mention = [&](NodeId id) {
      const Node& of = node(id);
      if (of.items.empty() && !of.object && of.kind != ValueKind::List && of.kind != ValueKind::Dict) return;
      if (!seen.insert(id).second) shared_.emplace(id, shared_.size());
    };
    mention(document_.root);
    mention(document_.metadata);
    for (const NodeId id : reachable_nodes(document_)) {
      const Node& of = node(id);
      for (const NodeId item : of.items) mention(item);
      if (!of.object) continue;
      for (const auto* part : {&of.object->entries, &of.object->elements, &of.object->states}) {
        for (const NodeId item : *part) mention(item);
      }
    }
  }

  void value(NodeId id, int depth) {
    check(depth <= kMaximumStructureDepth, "{}: nested more than {} deep", document_.source(), kMaximumStructureDepth);
    const auto shared = shared_.find(id);
    if (shared == shared_.end()) return inside(id, depth);
    if (!written_.insert(id).second) {
      out_ += fmt::format("{{\"$\":\"ref\",\"to\":{}}}", shared->second);
      return;
    }
    out_ += fmt::format("{{\"$\":\"shared\",\"id\":{},\"value\":", shared->second);
    inside(id, depth);
    out_ += "}";
  }

  void list(const std::vector<NodeId>& items, int depth) {
    out_ += "[";
    for (size_t i = 0; i < items.size(); ++i) {
      if (i != 0) out_ += ",";
      value(items[i], depth + 1);
    }
    out_ += "]";
  }

  void pairs(const std::vector<NodeId>& entries, int depth) {
    out_ += "[";
    for (size_t i = 0; i + 1 < entries.size(); i += 2) {
      out_ += i == 0 ? "[" : ",[";
      value(entries[i], depth + 1);
      out_ += ",";
      value(entries[i + 1], depth + 1);
      out_ += "]";
    }
    out_ += "]";
  }

  /// A dictionary of text keys is an object, unless its first key is the mark of everything else.
  bool is_plain(const std::vector<NodeId>& entries) const {
    for (size_t i = 0; i + 1 < entries.size(); i += 2) {
      if (node(entries[i]).kind != ValueKind::String) return false;
    }
    return entries.empty() || node(entries[0]).text != "$";
  }

  void mapping(const std::vector<NodeId>& entries, int depth) {
    if (!is_plain(entries)) {
      out_ += "{\"$\":\"dict\",\"items\":";
      pairs(entries, depth);
      out_ += "}";
      return;
    }
    out_ += "{";
    for (size_t i = 0; i + 1 < entries.size(); i += 2) {
      if (i != 0) out_ += ",";
      out_ += json_string(node(entries[i]).text) + ":";
      value(entries[i + 1], depth + 1);
    }
    out_ += "}";
  }

  void number(double value) {
    if (std::isfinite(value)) {
      out_ += float_text(value);
    } else {
      out_ += fmt::format("{{\"$\":\"float\",\"is\":\"{}\"}}", std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
    }
  }

  void marked(std::string_view kind, std::string_view member, const std::vector<NodeId>& items, int depth) {
    out_ += fmt::format("{{\"$\":\"{}\",\"{}\":", kind, member);
    list(items, depth);
    out_ += "}";
  }

  void inside(NodeId id, int depth) {
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
        out_ += "{\"$\":\"int\",\"digits\":" + json_string(format_integer(of.text)) + "}";
        return;
      case ValueKind::Float:
        return number(of.real);
      case ValueKind::Complex:
        return marked("complex", "items", of.items, depth);
      case ValueKind::String:
        out_ += json_string(of.text);
        return;
      case ValueKind::Bytes:
        out_ += fmt::format("{{\"$\":\"{}\",\"base64\":\"{}\"}}", of.resolved ? "bytearray" : "bytes", base64(of.text));
        return;
      case ValueKind::List:
        return list(of.items, depth);
      case ValueKind::Tuple:
        return marked("tuple", "items", of.items, depth);
      case ValueKind::Set:
        return marked("set", "items", of.items, depth);
      case ValueKind::FrozenSet:
        return marked("frozenset", "items", of.items, depth);
      case ValueKind::Dict:
        return mapping(of.items, depth);
      case ValueKind::Global:
        out_ += "{\"$\":\"global\",\"type\":" + json_string(of.text) + "}";
        return;
      case ValueKind::Object:
        return object(id, depth);
      case ValueKind::Persistent:
        out_ += "null";
        return;
      case ValueKind::Tensor:
        out_ += fmt::format("{{\"$\":\"tensor\",\"index\":{}}}", tensors_.at(id));
        return;
    }
  }

  void object(NodeId id, int depth) {
    const Node& of = node(id);
    const std::string_view type = document_.type_name(id);
    if (document_.is_mapping(id) && type.starts_with("collections.")) return mapping(document_.entries(id), depth);
    out_ += "{\"$\":\"object\",\"type\":" + json_string(type) + ",\"args\":";
    list(of.items.size() > 1 ? node(of.items[1]).items : std::vector<NodeId>(), depth);
    if (of.items.size() > 2) {
      out_ += ",\"kwargs\":";
      value(of.items[2], depth + 1);
    }
    if (of.object) {
      for (const auto& [name, items] :
           {std::pair{"states", &of.object->states}, std::pair{"elements", &of.object->elements}}) {
        if (items->empty()) continue;
        out_ += fmt::format(",\"{}\":", name);
        list(*items, depth);
      }
      if (!of.object->entries.empty()) {
        out_ += ",\"items\":";
        pairs(of.object->entries, depth);
      }
    }
    out_ += "}";
  }

  const Document& document_;
  const std::unordered_map<NodeId, size_t>& tensors_;
  std::unordered_map<NodeId, size_t> shared_;
  std::unordered_set<NodeId> written_;
  std::string out_;
};

}  // namespace

std::string structure_json(const Document& document, const std::unordered_map<NodeId, size_t>& tensors) {
  return StructureWriter(document, tensors).run();
}

}  // namespace bevgrad
