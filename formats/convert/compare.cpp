#include "formats/convert/compare.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"
#include "convert/internal/equal_bytes.h"
#include "convert/internal/leaves.h"
#include "formats/convert/name_map.h"
#include "safetensors/internal/json.h"

namespace bevgrad {

namespace {

constexpr uint64_t kDifferencePieceElements = 1 << 20;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The type of what is compared: the parts of complex numbers.
StoredDType part_type(StoredDType dtype) {
  switch (dtype) {
    case StoredDType::Complex128:
      return StoredDType::Float64;
    case StoredDType::Complex64:
      return StoredDType::Float32;
    case StoredDType::Complex32:
      return StoredDType::Float16;
    default:
      return dtype;
  }
}

/// Adds up how two lists of numbers differ.
class Difference {
 public:
  Difference(StoredDType type, const CompareOptions& options)
      : type_(type), options_(options), tolerant_(options.atol > 0 || options.rtol > 0) {}

  void add(const std::byte* a, const std::byte* b, size_t bytes) {
    switch (type_) {
      case StoredDType::Float32:
        return add_parts(a, b, bytes, sizeof(float), [](const std::byte* at) {
          float value;
          std::memcpy(&value, at, sizeof value);
          return static_cast<double>(value);
        });
      default:
        return add_parts(a, b, bytes, item_size(type_), [this](const std::byte* at) { return to_double(type_, at); });
    }
  }

  void finish(TensorDifference& out) const {
    out.l2 = std::sqrt(distance_squares_);
    out.relative_l2 = b_squares_ > 0 ? out.l2 / std::sqrt(b_squares_) : (out.l2 > 0 ? kInfinity : 0);
    const double lengths = std::sqrt(a_squares_) * std::sqrt(b_squares_);
    out.cosine = lengths > 0 ? products_ / lengths : std::numeric_limits<double>::quiet_NaN();
    out.largest = largest_;
    out.largest_relative = largest_relative_;
    out.differing = differing_;
  }

 private:
  template <class Load>
  void add_parts(const std::byte* a, const std::byte* b, size_t bytes, size_t part, Load load) {
    for (size_t i = 0; i < bytes; i += part) {
      const double x = load(a + i);
      const double y = load(b + i);
      const double distance = std::abs(x - y);
      if (std::isfinite(distance)) {
        distance_squares_ += distance * distance;
        a_squares_ += x * x;
        b_squares_ += y * y;
        products_ += x * y;
      }
      if (std::memcmp(a + i, b + i, part) != 0) count(x, y, distance);
    }
  }

  /// Of two numbers whose bytes differ.
  void count(double x, double y, double distance) {
    if (x == y && (x != 0 || tolerant_)) {
      // 64-bit integers that double cannot tell apart.
      if (is_floating_point(type_) || std::abs(x) < 9e15) return;
    }
    if (std::isnan(x) && std::isnan(y)) return;
    if (tolerant_ && distance <= options_.atol + options_.rtol * std::abs(y)) return;
    ++differing_;
    largest_ = std::max(largest_, std::isnan(distance) ? kInfinity : distance);
    if (y != 0) largest_relative_ = std::max(largest_relative_, distance / std::abs(y));
  }

  StoredDType type_;
  const CompareOptions& options_;
  bool tolerant_;
  double distance_squares_ = 0;
  double a_squares_ = 0;
  double b_squares_ = 0;
  double products_ = 0;
  double largest_ = 0;
  double largest_relative_ = 0;
  int64_t differing_ = 0;
};

TensorDifference difference(const std::string& name, const StoredTensor& a, const StoredTensor& b,
                            const CompareOptions& options) {
  TensorDifference out{.name = name, .numel = a.numel()};
  if (equal_bytes(a, b)) return out;
  Difference sum(part_type(a.dtype), options);
  ValueReader left(a);
  ValueReader right(b);
  const size_t step = item_size(a.dtype);
  std::vector<std::byte> left_piece;
  std::vector<std::byte> right_piece;
  while (left.remaining() > 0) {
    left_piece.resize(std::min<uint64_t>(left.remaining(), kDifferencePieceElements * step));
    right_piece.resize(left_piece.size());
    left.read(left_piece);
    right.read(right_piece);
    sum.add(left_piece.data(), right_piece.data(), left_piece.size());
  }
  sum.finish(out);
  return out;
}

/// The greater the change, the smaller the key.
double order_key(const TensorDifference& difference, CompareOrder order) {
  const auto greatest_first = [](double value) { return std::isnan(value) ? -kInfinity : -value; };
  switch (order) {
    case CompareOrder::Relative:
      return greatest_first(difference.largest_relative);
    case CompareOrder::L2:
      return greatest_first(difference.relative_l2);
    case CompareOrder::Cosine:
      return std::isnan(difference.cosine) ? -kInfinity : difference.cosine;
    default:
      return greatest_first(difference.largest);
  }
}

/// Compares what two files have under one name.
class Comparison {
 public:
  Comparison(const CheckpointFile& a, const CheckpointFile& b, const CompareOptions& options)
      : a_(*a.document), b_(*b.document), options_(options) {}

  bool is_wanted(const Document& document, const Leaf& leaf) const {
    if (options_.only_tensors && document.node(leaf.id).kind != ValueKind::Tensor) return false;
    return options_.select.empty() ||
           std::any_of(options_.select.begin(), options_.select.end(),
                       [&](const std::string& pattern) { return matches_wildcard(leaf.name, pattern); });
  }

  void compare(const Leaf& left, const Leaf& right) {
    const Node& a = a_.node(left.id);
    const Node& b = b_.node(right.id);
    if (a.kind == ValueKind::Tensor && b.kind == ValueKind::Tensor)
      return compare_tensors(left.name, *a.tensor, *b.tensor);
    if (a.kind == b.kind && a.kind == ValueKind::Float && close(a.real, b.real)) {
      ++out.equal_values;
      return;
    }
    const std::string a_text = text_of(a, left);
    const std::string b_text = text_of(b, right);
    if (a_text == b_text) {
      ++out.equal_values;
    } else {
      out.values.push_back({left.name, a_text, b_text});
    }
  }

  CompareReport out;

 private:
  static std::string text_of(const Node& node, const Leaf& leaf) {
    return node.kind == ValueKind::Tensor ? "tensor " + describe(*node.tensor) : leaf.text;
  }

  bool close(double x, double y) const {
    if (x == y || (std::isnan(x) && std::isnan(y))) return true;
    return std::abs(x - y) <= options_.atol + options_.rtol * std::abs(y);
  }

  void compare_tensors(const std::string& name, const StoredTensor& a, const StoredTensor& b) {
    if (a.dtype != b.dtype || a.sizes != b.sizes) {
      out.other_kind.push_back({name, describe(a), describe(b)});
      return;
    }
    TensorDifference found = difference(name, a, b, options_);
    if (found.differing == 0) {
      ++out.equal;
    } else {
      out.different.push_back(std::move(found));
    }
  }

  const Document& a_;
  const Document& b_;
  const CompareOptions& options_;
};

std::string shortened(const std::string& text) {
  return printable(text, 100);
}

/// Lines under a title, `top` of them.
void list(std::string& out, const std::string& title, const std::vector<std::string>& lines, size_t top) {
  if (lines.empty()) return;
  out += fmt::format("{} ({}):\n", title, lines.size());
  for (size_t i = 0; i < std::min(lines.size(), top); ++i) out += "  " + printable(lines[i], 500) + "\n";
  if (lines.size() > top) out += fmt::format("  ... {} more\n", lines.size() - top);
}

std::string number_json(double value) {
  if (std::isfinite(value)) return fmt::format("{}", value);
  return std::isnan(value) ? "\"nan\"" : value > 0 ? "\"inf\"" : "\"-inf\"";
}

std::string names_json(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ",") + json_string(name);
  return "[" + out + "]";
}

std::string values_json(const std::vector<ValueDifference>& values) {
  std::string out;
  for (const ValueDifference& value : values) {
    out += fmt::format("{}{{\"name\":{},\"a\":{},\"b\":{}}}", out.empty() ? "" : ",", json_string(value.name),
                       json_string(value.a), json_string(value.b));
  }
  return "[" + out + "]";
}

}  // namespace

CompareReport compare_checkpoints(const CheckpointFile& a, const CheckpointFile& b, const CompareOptions& options) {
  const std::vector<Leaf> left = leaves_of(a);
  const std::vector<Leaf> right = leaves_of(b);
  std::unordered_map<std::string_view, const Leaf*> by_name;
  Comparison comparison(a, b, options);
  size_t wanted = 0;
  for (const Leaf& leaf : right) {
    if (!comparison.is_wanted(*b.document, leaf)) continue;
    by_name.emplace(leaf.name, &leaf);
    ++wanted;
  }
  for (const Leaf& leaf : left) {
    if (!comparison.is_wanted(*a.document, leaf)) continue;
    ++wanted;
    const auto found = by_name.find(leaf.name);
    if (found == by_name.end()) {
      comparison.out.only_a.push_back(leaf.name);
      continue;
    }
    comparison.compare(leaf, *found->second);
    by_name.erase(found);
  }
  if (wanted == 0) {
    throw UsageError(fmt::format("{} and {}: nothing in them is to be compared{}", a.path, b.path,
                                 options.select.empty() ? "" : ", no name matches --select"));
  }
  CompareReport out = std::move(comparison.out);
  for (const Leaf& leaf : right) {
    if (by_name.contains(leaf.name)) out.only_b.push_back(leaf.name);
  }
  std::stable_sort(out.different.begin(), out.different.end(), [&](const auto& x, const auto& y) {
    if (options.order == CompareOrder::Name) return x.name < y.name;
    return order_key(x, options.order) < order_key(y, options.order);
  });
  return out;
}

std::string CompareReport::text(const std::string& a, const std::string& b, size_t top) const {
  std::string out = fmt::format("{} tensors are equal, {} differ in values, {} in dtype or shape\n", equal,
                                different.size(), other_kind.size());
  if (equal_values + values.size() > 0) {
    out += fmt::format("{} other values are equal, {} differ\n", equal_values, values.size());
  }
  list(out, "only in " + shortened(a), only_a, top);
  list(out, "only in " + shortened(b), only_b, top);
  const auto lines_of = [](const std::vector<ValueDifference>& all) {
    std::vector<std::string> lines;
    for (const ValueDifference& d : all)
      lines.push_back(fmt::format("{}: {} and {}", d.name, shortened(d.a), shortened(d.b)));
    return lines;
  };
  list(out, "dtype or shape", lines_of(other_kind), top);
  list(out, "other values", lines_of(values), top);
  std::vector<std::string> lines;
  for (const TensorDifference& d : different) {
    lines.push_back(
        fmt::format("{}: largest {:.6g}, relative {:.3g}, L2 {:.4g} ({:.3g} of B), cosine {:.6g}, {} of {} values",
                    d.name, d.largest, d.largest_relative, d.l2, d.relative_l2, d.cosine, d.differing, d.numel));
  }
  list(out, "values, greatest change first", lines, top);
  return out;
}

std::string CompareReport::json(const std::string& a, const std::string& b) const {
  std::string tensors;
  for (const TensorDifference& d : different) {
    tensors += fmt::format(
        "{}{{\"name\":{},\"max_abs\":{},\"max_relative\":{},\"l2\":{},\"relative_l2\":{},\"cosine\":{},\"differing\":{}"
        ","
        "\"numel\":{}}}",
        tensors.empty() ? "" : ",", json_string(d.name), number_json(d.largest), number_json(d.largest_relative),
        number_json(d.l2), number_json(d.relative_l2), number_json(d.cosine), d.differing, d.numel);
  }
  return fmt::format(
      "{{\"a\":{},\"b\":{},\"same\":{},\"equal_tensors\":{},\"equal_values\":{},\"only_a\":{},\"only_b\":{},"
      "\"dtype_or_shape\":{},\"values\":{},\"tensors\":[{}]}}\n",
      json_string(a), json_string(b), same(), equal, equal_values, names_json(only_a), names_json(only_b),
      values_json(other_kind), values_json(values), tensors);
}

}  // namespace bevgrad
