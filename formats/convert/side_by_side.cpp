#include "formats/convert/side_by_side.h"

#include <algorithm>
#include <unordered_map>

#include "base/text.h"
#include "convert/internal/leaves.h"
#include "safetensors/internal/json.h"

namespace bevgrad {

namespace {

constexpr size_t kNameWidth = 60;
constexpr size_t kColumnTextWidth = 40;

std::string text_of(const CheckpointFile& file, const Leaf& leaf) {
  const Node& node = file.document->node(leaf.id);
  return node.kind == ValueKind::Tensor ? describe(*node.tensor) : leaf.text;
}

bool is_tensor(const CheckpointFile& file, const std::optional<NodeId>& id) {
  return id && file.document->node(*id).kind == ValueKind::Tensor;
}

}  // namespace

std::vector<SideBySideRow> side_by_side(const CheckpointFile& a, const CheckpointFile& b) {
  std::vector<SideBySideRow> out;
  std::unordered_map<std::string, size_t> places;
  for (const Leaf& leaf : leaves_of(a)) {
    places.emplace(leaf.name, out.size());
    out.push_back({.name = leaf.name, .a = leaf.id, .b = {}, .a_text = text_of(a, leaf), .b_text = {}});
  }
  for (const Leaf& leaf : leaves_of(b)) {
    const auto found = places.find(leaf.name);
    if (found == places.end()) {
      out.push_back({.name = leaf.name, .a = {}, .b = leaf.id, .a_text = {}, .b_text = text_of(b, leaf)});
    } else {
      out[found->second].b = leaf.id;
      out[found->second].b_text = text_of(b, leaf);
    }
  }
  return out;
}

std::string side_by_side_text(const CheckpointFile& a, const CheckpointFile& b, bool json) {
  std::string out;
  size_t counts[4] = {};
  size_t equal_values = 0;
  size_t width = 8;
  const auto rows = side_by_side(a, b);
  for (const SideBySideRow& row : rows) width = std::max(width, std::min(row.name.size(), kNameWidth));
  for (const SideBySideRow& row : rows) {
    const size_t kind = row.same() ? 0 : row.a && row.b ? 1 : row.a ? 2 : 3;
    ++counts[kind];
    if (json) {
      const auto side = [](const std::optional<NodeId>& id, const std::string& text) {
        return id ? json_string(text) : std::string("null");
      };
      out += fmt::format("{}{{\"name\":{},\"a\":{},\"b\":{}}}", out.empty() ? "" : ",", json_string(row.name),
                         side(row.a, row.a_text), side(row.b, row.b_text));
      continue;
    }
    if (kind == 0 && !is_tensor(a, row.a)) {
      ++equal_values;
      continue;
    }
    out += fmt::format("{} {:<{}}  {:<{}}  {}\n", "=!<>"[kind], printable(row.name, kNameWidth), width,
                       row.a ? printable(row.a_text, kColumnTextWidth) : "-", 24,
                       row.b ? printable(row.b_text, kColumnTextWidth) : "-");
  }
  if (json) {
    return fmt::format("{{\"a\":{},\"b\":{},\"rows\":[{}]}}\n", json_string(a.path), json_string(b.path), out);
  }
  return fmt::format("A: {} ({})\nB: {} ({})\n", printable(a.path, 1000), name(a.format), printable(b.path, 1000),
                     name(b.format)) +
         out +
         fmt::format("{} alike ({} are no tensors), {} other, {} only in A, {} only in B\n", counts[0], equal_values,
                     counts[1], counts[2], counts[3]);
}

}  // namespace bevgrad
