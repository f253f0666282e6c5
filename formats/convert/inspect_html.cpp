#include "formats/convert/inspect_html.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "base/text.h"
#include "convert/internal/inspect_page.h"
#include "convert/internal/leaves.h"
#include "convert/internal/stats.h"
#include "formats/convert/compare.h"
#include "formats/convert/inspect.h"
#include "formats/convert/side_by_side.h"
#include "safetensors/internal/json.h"

namespace bevgrad {

namespace {

constexpr size_t kBins = 48;
constexpr size_t kPageTextWidth = 2000;

/// Counts of values between a tensor's least and greatest.
std::string bins_of(const StoredTensor& tensor, const TensorStats& stats) {
  std::vector<uint64_t> bins(kBins, 0);
  const double scale = stats.max > stats.min ? static_cast<double>(kBins) / (stats.max - stats.min) : 0;
  const size_t step = item_size(tensor.dtype);
  for_each_piece(tensor, [&](std::span<const std::byte> piece) {
    for (size_t i = 0; i < piece.size(); i += step) {
      const double value = to_double(tensor.dtype, &piece[i]);
      if (!std::isfinite(value)) continue;
      const double at = (value - stats.min) * scale;
      ++bins[at >= static_cast<double>(kBins) ? kBins - 1 : static_cast<size_t>(std::max(at, 0.0))];
    }
  });
  return fmt::format("[{}]", fmt::join(bins, ","));
}

std::string value_json(const CheckpointFile& file, NodeId id, const std::string& text) {
  const Node& node = file.document->node(id);
  if (node.kind != ValueKind::Tensor) return "{\"text\":" + json_string(printable(text, kPageTextWidth)) + "}";
  const StoredTensor& tensor = *node.tensor;
  std::string out = fmt::format("{{\"dtype\":\"{}\",\"shape\":[{}],\"bytes\":{}", name(tensor.dtype),
                                fmt::join(tensor.sizes, ","), tensor.nbytes());
  const TensorStats stats = stats_of(tensor);
  if (std::isfinite(stats.min) && std::isfinite(stats.max - stats.min)) {
    out += fmt::format(",\"min\":{},\"max\":{},\"mean\":{},\"std\":{},\"bins\":{}", stats.min, stats.max, stats.mean,
                       stats.std, bins_of(tensor, stats));
  }
  return out + fmt::format(",\"zero\":{},\"nan\":{},\"infinite\":{}}}", stats.zero, stats.nan, stats.infinite);
}

std::string file_json(const CheckpointFile& file) {
  return fmt::format("{{\"path\":{},\"format\":{}}}", json_string(file.path), json_string(name(file.format)));
}

/// JSON within a page: nothing of it may end the script.
std::string escaped(const std::string& json) {
  std::string out;
  out.reserve(json.size());
  for (const char c : json) {
    if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
  return out;
}

std::string html_text(const std::string& text) {
  std::string out;
  for (const char c : printable(text, kPageTextWidth)) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '&':
        out += "&amp;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string head_line(const CheckpointFile& file, const char* title) {
  std::string out = fmt::format("<p>{}{}</p>\n", title, html_text(checkpoint_summary(file)));
  for (const std::string& what : file.document->left_out) out += "<p>not read: " + html_text(what) + "</p>\n";
  return out;
}

std::string difference_json(const TensorDifference& difference) {
  return fmt::format(
      "{{\"differing values\":\"{} of {}\",\"largest difference\":\"{:.6g}\",\"largest relative "
      "difference\":\"{:.6g}\","
      "\"L2 norm\":\"{:.6g}\",\"L2 norm over that of B\":\"{:.6g}\",\"cosine\":\"{:.9g}\"}}",
      difference.differing, difference.numel, difference.largest, difference.largest_relative, difference.l2,
      difference.relative_l2, difference.cosine);
}

}  // namespace

std::string inspect_html(const CheckpointFile& a, const CheckpointFile* b) {
  std::unordered_map<std::string, TensorDifference> differences;
  std::vector<SideBySideRow> rows;
  if (b != nullptr) {
    rows = side_by_side(a, *b);
    for (TensorDifference& difference : compare_checkpoints(a, *b, {.only_tensors = true}).different) {
      differences.emplace(difference.name, std::move(difference));
    }
  } else {
    for (const Leaf& leaf : leaves_of(a)) {
      rows.push_back({.name = leaf.name, .a = leaf.id, .b = {}, .a_text = leaf.text, .b_text = {}});
    }
  }
  std::string json = "{\"files\":[" + file_json(a) + (b != nullptr ? "," + file_json(*b) : "") + "],\"rows\":[";
  for (size_t i = 0; i < rows.size(); ++i) {
    const SideBySideRow& row = rows[i];
    const auto difference = differences.find(row.name);
    const bool changed = b != nullptr && (!row.same() || difference != differences.end());
    json += (i == 0 ? "{\"name\":" : ",{\"name\":") + json_string(row.name);
    if (changed) json += ",\"changed\":true";
    if (row.a) json += ",\"a\":" + value_json(a, *row.a, row.a_text);
    if (row.b) json += ",\"b\":" + value_json(*b, *row.b, row.b_text);
    if (difference != differences.end()) json += ",\"difference\":" + difference_json(difference->second);
    json += "}";
  }
  json += "]}";
  std::string out = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>" + html_text(a.path) +
                    "</title>\n<style>" + kInspectStyle + "</style></head>\n<body><header>\n";
  out += head_line(a, b != nullptr ? "A: " : "");
  if (b != nullptr) out += head_line(*b, "B: ");
  out += "<input id=\"search\" type=\"search\" aria-label=\"search names\" placeholder=\"search names\">";
  if (b != nullptr) out += "<label><input id=\"changed\" type=\"checkbox\"> only what differs</label>";
  out += "\n</header><main><div id=\"tree\"></div><div id=\"detail\"></div></main>\n";
  out += "<script id=\"data\" type=\"application/json\">" + escaped(json) + "</script>\n<script>" + kInspectScript +
         "</script></body></html>\n";
  return out;
}

}  // namespace bevgrad
