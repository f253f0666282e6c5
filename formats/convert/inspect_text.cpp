#include <unordered_map>

#include "base/error.h"
#include "base/text.h"
#include "convert/internal/stats.h"
#include "convert/internal/tensor_totals.h"
#include "formats/convert/inspect.h"
#include "formats/torch/special_tensors.h"
#include "internal/limits.h"
#include "internal/value_text.h"

namespace bevgrad {

namespace {

constexpr uint64_t kMaximumShownLines = 1'000'000;
constexpr size_t kShownItems = 64;  // of a long list
constexpr size_t kShownTextWidth = 100;

std::string stats_text(const TensorStats& s) {
  std::string out = fmt::format("min {:.6g} max {:.6g} mean {:.6g} std {:.6g}", s.min, s.max, s.mean, s.std);
  if (s.nan != 0) out += fmt::format(" NaN {}", s.nan);
  if (s.infinite != 0) out += fmt::format(" Inf {}", s.infinite);
  return out;
}

class TextInspector {
 public:
  TextInspector(const CheckpointFile& file, const InspectOptions& options)
      : file_(file), document_(*file.document), options_(options), totals_(document_) {}

  std::string run() {
    out_ = fmt::format("{}: {}\n", printable(file_.path, 1000), name(file_.format));
    tree(document_.root, "", 0);
    if (!document_.entries(document_.metadata).empty()) {
      out_ += "metadata of the file:\n";
      tree_entries(document_.entries(document_.metadata), 1);
    }
    for (const std::string& what : document_.left_out) out_ += "not read: " + printable(what) + "\n";
    out_ += fmt::format("{} tensors, {} values, {} in {} storages\n", totals_.tensors, totals_.values,
                        bytes_text(totals_.bytes), totals_.storages());
    for (const auto& [dtype, count] : totals_.by_dtype) out_ += fmt::format("  {}: {} tensors\n", dtype, count);
    return std::move(out_);
  }

 private:
  const Node& node(NodeId id) const { return document_.node(id); }

  void guard(int depth) {
    check(depth <= kMaximumDepth, "{}: nested more than {} deep", file_.path, kMaximumDepth);
    check(++lines_ <= kMaximumShownLines, "{}: the structure unfolds to more than {} values", file_.path,
          kMaximumShownLines);
  }

  std::string entry_label(NodeId key) const {
    const Node& of = node(key);
    if (of.kind == ValueKind::String) return printable(of.text, 300);
    return fmt::format("[{}]", printable(value_text(document_, key), kShownTextWidth));
  }

  std::string tensor_text(const Node& of) {
    const StoredTensor& tensor = *of.tensor;
    const size_t storage = totals_.add(tensor);
    std::string out = fmt::format("{} {} {}", name(tensor.dtype), to_string(tensor.sizes), bytes_text(tensor.nbytes()));
    out += fmt::format("  storage {}", storage);
    if (tensor.offset != 0) out += fmt::format(" offset {}", tensor.offset);
    if (!tensor.is_contiguous()) out += fmt::format(" strides {}", to_string(tensor.strides));
    if (totals_.users(tensor) > 1) out += fmt::format(" (shared by {})", totals_.users(tensor));
    if (tensor.is_parameter) out += " parameter";
    if (tensor.requires_grad && !tensor.is_parameter) out += " requires_grad";
    if (of.text == "numpy.ndarray") out += " numpy";
    if (of.text.ends_with(".DTensor")) out += " DTensor";
    if (options_.stats) out += "  " + stats_text(stats_of(tensor));
    return out;
  }

  std::string scalar_text(NodeId id) const {
    const Node& of = node(id);
    switch (of.kind) {
      case ValueKind::String:
        return "'" + printable(of.text, kShownTextWidth) + "'";
      case ValueKind::Bytes:
        return fmt::format("{} bytes{}", of.text.size(), of.resolved ? " (bytearray)" : "");
      case ValueKind::Global:
        return "name " + printable(of.text, kShownTextWidth);
      default:
        return value_text(document_, id);
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
    for (size_t i = 0; i + 1 < entries.size(); i += 2) tree(entries[i + 1], entry_label(entries[i]), depth);
  }

  /// Short lists of plain values on one line.
  bool one_line(const Node& of, std::string& out) const {
    if (of.items.size() > 16) return false;
    for (const NodeId item : of.items) {
      const ValueKind kind = node(item).kind;
      if (kind != ValueKind::Int && kind != ValueKind::Float && kind != ValueKind::Bool && kind != ValueKind::None) {
        return false;
      }
      out += (out.empty() ? "" : ", ") + scalar_text(item);
    }
    return true;
  }

  void tree(NodeId id, const std::string& label, int depth) {
    guard(depth);
    const Node& of = node(id);
    const bool container = !of.items.empty() || of.object;
    if (container) {
      const auto [at, added] = open_.emplace(id, labels_.size());
      if (!added) return line(depth, label, "a reference back to " + path_to(at->second));
      labels_.push_back(label);
    }
    tree_inside(id, label, depth);
    if (!container) return;
    labels_.pop_back();
    open_.erase(id);
  }

  /// The labels of the values on the way to the one at `end`: "hyper_parameters.parent".
  std::string path_to(size_t end) const {
    std::string path;
    for (size_t i = 1; i <= end; ++i) path += (path.empty() || labels_[i].starts_with('[') ? "" : ".") + labels_[i];
    return path.empty() ? "the root" : path;
  }

  void tree_inside(NodeId id, const std::string& label, int depth) {
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
        return line(depth, label, scalar_text(id));
    }
  }

  void tree_object(NodeId id, const std::string& label, int depth) {
    const Node& of = node(id);
    if (const auto special = special_tensor(document_, id)) {
      line(depth, label, special->text);
      for (const auto& [role, part] : special->parts) tree(part, role, depth + 1);
      return;
    }
    const std::string type = printable(document_.type_name(id), kShownTextWidth);
    const size_t entries = of.object ? of.object->entries.size() / 2 : 0;
    line(depth, label, entries != 0 ? fmt::format("{} of {}", type, entries) : type);
    if (type != "collections.OrderedDict" && of.items.size() > 1) tree_items(node(of.items[1]).items, depth + 1);
    if (!of.object) return;
    tree_entries(of.object->entries, depth + 1);
    tree_items(of.object->elements, depth + 1);
    if (type == "collections.OrderedDict") return;
    for (const NodeId state : of.object->states) tree(state, "state", depth + 1);
  }

  const CheckpointFile& file_;
  const Document& document_;
  const InspectOptions& options_;
  TensorTotals totals_;
  std::string out_;
  uint64_t lines_ = 0;
  std::vector<std::string> labels_;          // of the values on the way to this one
  std::unordered_map<NodeId, size_t> open_;  // their places among the labels
};

}  // namespace

std::string bytes_text(uint64_t bytes) {
  if (bytes < 10'000) return fmt::format("{} B", bytes);
  if (bytes < 10'000'000) return fmt::format("{:.1f} kB", static_cast<double>(bytes) / 1e3);
  if (bytes < 10'000'000'000) return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
  return fmt::format("{:.2f} GB", static_cast<double>(bytes) / 1e9);
}

std::string checkpoint_summary(const CheckpointFile& file) {
  TensorTotals totals(*file.document);
  for (const NodeId id : reachable_nodes(*file.document)) {
    if (file.document->node(id).kind == ValueKind::Tensor) totals.add(*file.document->node(id).tensor);
  }
  return fmt::format("{}: {}, {} tensors, {} values, {}\n", printable(file.path, 1000), name(file.format),
                     totals.tensors, totals.values, bytes_text(totals.bytes));
}

std::string inspect_as_text(const CheckpointFile& file, const InspectOptions& options) {
  return TextInspector(file, options).run();
}

}  // namespace bevgrad
