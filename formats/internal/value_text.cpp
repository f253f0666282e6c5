#include "internal/value_text.h"

#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "pickle/internal/numbers.h"

namespace bevgrad {

namespace {

constexpr size_t kMaximumTextBytes = 400;
constexpr int kMaximumTextDepth = 12;

class Printer {
 public:
  explicit Printer(const Document& document) : document_(document) {}

  std::string run(NodeId id) {
    print(id, 0);
    return std::move(out_);
  }

 private:
  const Node& node(NodeId id) const { return document_.node(id); }
  bool full() const { return out_.size() >= kMaximumTextBytes; }

  void items(const std::vector<NodeId>& ids, int depth) {
    for (size_t i = 0; i < ids.size(); ++i) {
      if (i != 0) out_ += ", ";
      if (full()) {
        out_ += "...";
        return;
      }
      print(ids[i], depth + 1);
    }
  }

  void entries(const std::vector<NodeId>& ids, int depth) {
    for (size_t i = 0; i + 1 < ids.size(); i += 2) {
      if (i != 0) out_ += ", ";
      if (full()) {
        out_ += "...";
        return;
      }
      print(ids[i], depth + 1);
      out_ += ": ";
      print(ids[i + 1], depth + 1);
    }
  }

  void around(const char* open, const std::vector<NodeId>& ids, const char* close, int depth) {
    out_ += open;
    items(ids, depth);
    out_ += close;
  }

  /// The fields of datetime.date and datetime.datetime, which are pickled as bytes.
  bool date(std::string_view type, const std::string& bytes) {
    const bool only_date = type == "datetime.date" && bytes.size() == 4;
    if (!only_date && !(type == "datetime.datetime" && bytes.size() == 10)) return false;
    const auto byte = [&](size_t i) { return static_cast<unsigned>(static_cast<uint8_t>(bytes[i])); };
    out_ += fmt::format("{}({}, {}, {}", type, byte(0) * 256 + byte(1), byte(2) & 0x7f, byte(3));
    if (!only_date) {
      out_ += fmt::format(", {}, {}, {}, {}", byte(4), byte(5), byte(6), (byte(7) * 256 + byte(8)) * 256 + byte(9));
    }
    out_ += ")";
    return true;
  }

  void object(NodeId id, int depth) {
    const Node& of = node(id);
    const std::string_view type = document_.type_name(id);
    if (of.items.size() > 1) {
      const auto& given = node(of.items[1]).items;
      if (!given.empty() && node(given[0]).kind == ValueKind::Bytes && date(type, node(given[0]).text)) return;
    }
    out_ += printable(type, kMaximumTextBytes);
    around("(", of.items.size() > 1 ? node(of.items[1]).items : std::vector<NodeId>(), ")", depth);
    if (!of.object) return;
    if (!of.object->entries.empty()) {
      out_ += "{";
      entries(of.object->entries, depth);
      out_ += "}";
    }
    if (!of.object->elements.empty()) around("[", of.object->elements, "]", depth);
    if (!of.object->states.empty()) around("<", of.object->states, ">", depth);
  }

  void print(NodeId id, int depth) {
    if (depth > kMaximumTextDepth || full()) {
      out_ += "...";
      return;
    }
    const Node& of = node(id);
    switch (of.kind) {
      case ValueKind::None:
        out_ += "None";
        return;
      case ValueKind::Bool:
        out_ += of.integer != 0 ? "True" : "False";
        return;
      case ValueKind::Int:
        out_ += std::to_string(of.integer);
        return;
      case ValueKind::BigInt:
        out_ += format_integer(of.text);
        return;
      case ValueKind::Float:
        out_ += float_text(of.real);
        return;
      case ValueKind::Complex:
        out_ += fmt::format("({}{}{}j)", float_text(node(of.items[0]).real),
                            std::signbit(node(of.items[1]).real) ? "" : "+", float_text(node(of.items[1]).real));
        return;
      case ValueKind::String:
        out_ += "'" + printable(of.text, kMaximumTextBytes) + "'";
        return;
      case ValueKind::Bytes:
        out_ += fmt::format("{} of {}", of.resolved ? "bytearray" : "bytes", of.text.size());
        return;
      case ValueKind::List:
        return around("[", of.items, "]", depth);
      case ValueKind::Tuple:
        return around("(", of.items, of.items.size() == 1 ? ",)" : ")", depth);
      case ValueKind::Set:
        return around("{", of.items, "}", depth);
      case ValueKind::FrozenSet:
        return around("frozenset({", of.items, "})", depth);
      case ValueKind::Dict:
        out_ += "{";
        entries(of.items, depth);
        out_ += "}";
        return;
      case ValueKind::Global:
        out_ += printable(of.text, kMaximumTextBytes);
        return;
      case ValueKind::Object:
        return object(id, depth);
      case ValueKind::Persistent:
        out_ += "a reference out of the file";
        return;
      case ValueKind::Tensor:
        out_ += "tensor " + describe(*of.tensor);
        return;
    }
  }

  const Document& document_;
  std::string out_;
};

}  // namespace

std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::string out = fmt::format("{}", value);
  if (out.find_first_of(".e") == std::string::npos) out += ".0";
  return out;
}

std::string value_text(const Document& document, NodeId id) {
  return Printer(document).run(id);
}

std::string key_text(const Document& document, NodeId key) {
  const Node& node = document.node(key);
  return node.kind == ValueKind::String ? node.text : value_text(document, key);
}

std::string UniqueNames::take(std::string name) {
  const auto [at, added] = next_.try_emplace(name, 2);
  if (added) return name;
  uint64_t& number = at->second;
  while (true) {
    std::string other = fmt::format("{}#{}", name, number++);
    if (next_.try_emplace(other, 2).second) return other;
  }
}

}  // namespace bevgrad
