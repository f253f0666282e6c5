#include "formats/torch/special_tensors.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "internal/computed_storage.h"
#include "internal/value_text.h"

namespace bevgrad {

namespace {

constexpr int kMaximumNesting = 200;
constexpr uint64_t kMaximumUnfolding = 64;  // zeros that a sparse tensor may stand for, by the bytes that it has
constexpr uint64_t kUnfoldingFloor = 256 << 20;
constexpr double kLargestIndex = 1099511627776.0;  // products with sizes of blocks stay in range

/// The arguments of one call.
class Call {
 public:
  Call(const Document& document, NodeId id) : document_(document), items_(nullptr) {
    const Node& node = document.node(id);
    if (node.kind == ValueKind::Object && node.items.size() > 1) items_ = &document.node(node.items[1]).items;
  }
  Call(const Document& document, const std::vector<NodeId>& items) : document_(document), items_(&items) {}

  size_t size() const { return items_ == nullptr ? 0 : items_->size(); }
  NodeId id(size_t i) const { return (*items_)[i]; }
  const Node* node(size_t i) const { return i < size() ? &document_.node(id(i)) : nullptr; }
  /// Null where the argument is no tensor.
  const StoredTensor* tensor(size_t i) const {
    const Node* of = node(i);
    return of != nullptr && of->kind == ValueKind::Tensor ? of->tensor.get() : nullptr;
  }
  /// A tuple of sizes, or torch.Size of one.
  std::optional<Shape> shape(size_t i) const {
    const Node* of = node(i);
    if (of != nullptr && of->kind == ValueKind::Object && document_.type_name(id(i)) == "torch.Size" &&
        of->items.size() > 1 && !document_.node(of->items[1]).items.empty()) {
      of = &document_.node(document_.node(of->items[1]).items[0]);
    }
    if (of == nullptr || (of->kind != ValueKind::Tuple && of->kind != ValueKind::List)) return std::nullopt;
    Shape out;
    for (const NodeId item : of->items) {
      const Node& size = document_.node(item);
      if (size.kind != ValueKind::Int || size.integer < 0) return std::nullopt;
      out.push_back(size.integer);
    }
    return out;
  }
  Call list(size_t i) const {
    static const std::vector<NodeId> kNone;
    const Node* of = node(i);
    return {document_, of != nullptr && of->kind == ValueKind::Tuple ? of->items : kNone};
  }
  std::string text(size_t i) const { return node(i) != nullptr ? value_text(document_, id(i)) : "?"; }

 private:
  const Document& document_;
  const std::vector<NodeId>* items_;
};

/// A contiguous tensor whose values `fill` works out of what lies in `from`; nothing where `sizes` stand for too much.
std::optional<StoredTensor> computed(const Document& document, StoredDType dtype, const Shape& sizes,
                                     const StoredTensor& from, uint64_t has,
                                     std::function<void(std::span<std::byte>)> fill) {
  StoredTensor out{.dtype = dtype, .sizes = sizes};
  try {
    out.strides = contiguous_strides(sizes, document.source());
  } catch (const Error&) {
    return std::nullopt;
  }
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(static_cast<uint64_t>(out.numel()), item_size(dtype), &bytes) ||
      (bytes > kUnfoldingFloor && bytes / kMaximumUnfolding > has)) {
    return std::nullopt;
  }
  out.storage = computed_storage(from.storage->name(), bytes, from.storage, std::move(fill));
  return out;
}

/// A tensor's values: as double, or, of indices, as integers.
template <class T>
std::vector<T> values_of(const StoredTensor& tensor) {
  std::vector<T> out;
  out.reserve(static_cast<size_t>(tensor.numel()));
  const size_t step = item_size(tensor.dtype);
  for_each_piece(tensor, [&](std::span<const std::byte> piece) {
    for (size_t i = 0; i < piece.size(); i += step) {
      const double value = to_double(tensor.dtype, &piece[i]);
      if constexpr (std::is_integral_v<T>) {
        out.push_back(static_cast<T>(std::clamp(value, -kLargestIndex, kLargestIndex)));
      } else {
        out.push_back(value);
      }
    }
  });
  return out;
}

// Quantized: (storage, offset, sizes, strides, quantizer, requires_grad, hooks); the quantizer is (scheme, scale, zero
// point) or (scheme, scales, zero points, axis).

std::string quantized_type(const Node& storage) {
  for (const auto& [type, name] :
       {std::pair{"QInt8Storage", "qint8"}, {"QUInt8Storage", "quint8"}, {"QInt32Storage", "qint32"},
        {"QUInt4x2Storage", "quint4x2"}, {"QUInt2x4Storage", "quint2x4"}}) {
    if (storage.text.ends_with(type)) return name;
  }
  return std::string(name(storage.tensor->dtype));
}

std::optional<StoredTensor> dequantized(const Document& document, const StoredTensor& codes, const Call& quantizer) {
  StoredTensor scales;
  StoredTensor zeros;
  size_t axis = 0;
  const bool per_channel = quantizer.tensor(1) != nullptr;
  if (per_channel) {
    const Node* of_axis = quantizer.node(3);
    if (quantizer.tensor(2) == nullptr || of_axis == nullptr || of_axis->kind != ValueKind::Int) return std::nullopt;
    scales = *quantizer.tensor(1);
    zeros = *quantizer.tensor(2);
    axis = static_cast<size_t>(of_axis->integer);
    if (of_axis->integer < 0 || axis >= codes.sizes.size() || scales.numel() != codes.sizes[axis] ||
        zeros.numel() != codes.sizes[axis]) {
      return std::nullopt;
    }
  }
  const Node* scale = quantizer.node(1);
  const Node* zero = quantizer.node(2);
  if (!per_channel && (scale == nullptr || scale->kind != ValueKind::Float || zero == nullptr ||
                       zero->kind != ValueKind::Int)) {
    return std::nullopt;
  }
  const double one_scale = per_channel ? 0 : scale->real;
  const double one_zero = per_channel ? 0 : static_cast<double>(zero->integer);
  return computed(document, StoredDType::Float32, codes.sizes, codes, codes.nbytes(), [=](std::span<std::byte> out) {
    std::vector<double> all_scales{one_scale};
    std::vector<double> all_zeros{one_zero};
    int64_t inner = 1;
    if (per_channel) {
      all_scales = values_of<double>(scales);
      all_zeros = values_of<double>(zeros);
      for (size_t d = axis + 1; d < codes.sizes.size(); ++d) inner *= codes.sizes[d];
    }
    const size_t step = item_size(codes.dtype);
    size_t at = 0;
    for_each_piece(codes, [&](std::span<const std::byte> piece) {
      for (size_t i = 0; i < piece.size(); i += step, ++at) {
        const size_t channel = per_channel ? at / static_cast<size_t>(inner) % all_scales.size() : 0;
        const auto value =
            static_cast<float>((to_double(codes.dtype, &piece[i]) - all_zeros[channel]) * all_scales[channel]);
        std::memcpy(&out[at * sizeof value], &value, sizeof value);
      }
    });
  });
}

std::optional<SpecialTensor> quantized(const Document& document, const Call& call) {
  const StoredTensor* storage = call.tensor(0);
  const auto sizes = call.shape(2);
  const auto strides = call.shape(3);
  const Node* offset = call.node(1);
  if (storage == nullptr || !sizes || !strides || offset == nullptr || offset->kind != ValueKind::Int) {
    return std::nullopt;
  }
  const Call quantizer = call.list(4);
  const std::string type = quantized_type(*call.node(0));
  SpecialTensor out{.text = fmt::format("quantized {} {}", type, to_string(*sizes)), .parts = {{"codes", call.id(0)}}};
  if (quantizer.tensor(1) != nullptr) {
    out.text += fmt::format(", scales along axis {}", quantizer.text(3));
    out.parts.emplace_back("scales", quantizer.id(1));
    if (quantizer.tensor(2) != nullptr) out.parts.emplace_back("zero_points", quantizer.id(2));
  } else {
    out.text += fmt::format(", scale {}, zero point {}", quantizer.text(1), quantizer.text(2));
  }
  StoredTensor codes = *storage;
  codes.offset += offset->integer;
  codes.sizes = *sizes;
  codes.strides = *strides;
  try {
    validate(codes, document.source());
  } catch (const Error&) {
    return out;  // several values in a byte
  }
  if (!type.starts_with("quint4") && !type.starts_with("quint2")) {
    out.plain = dequantized(document, codes, quantizer);
  }
  return out;
}

// Sparse: (layout, parts), the parts (indices, values, sizes[, is_coalesced]) or (pointers, indices, values, sizes).

/// Where the block of each stored value begins in the whole, in elements.
struct Scattered {
  Shape sizes;
  Shape block;  // sizes of what is stored at one place
  StoredTensor values;
};

/// Copies blocks of values to their places; `place` gives the whole's indices of block `i`, one a dimension.
void scatter(const Scattered& from, std::span<std::byte> out, bool add,
             const std::function<void(size_t i, Shape& place)>& place) {
  const size_t step = item_size(from.values.dtype);
  const Shape strides = contiguous_strides(from.sizes, from.values.storage->name());
  const auto block = static_cast<size_t>(numel(from.block));
  std::vector<std::byte> values(from.values.nbytes());
  if (values.empty()) return;
  ValueReader(from.values).read(values);
  Shape at(from.sizes.size(), 0);
  const size_t outer = from.sizes.size() - from.block.size();
  for (size_t i = 0; i < values.size() / step / block; ++i) {
    place(i, at);
    for (size_t k = 0; k < block; ++k) {
      int64_t to = 0;
      auto rest = static_cast<int64_t>(k);
      for (size_t d = from.sizes.size(); d > 0; --d) {
        int64_t index = at[d - 1];
        if (d > outer) {
          index += rest % from.block[d - 1 - outer];
          rest /= from.block[d - 1 - outer];
        }
        check(index >= 0 && index < from.sizes[d - 1], "{}: an index {} of a sparse tensor {}",
              from.values.storage->name(), index, to_string(from.sizes));
        to += index * strides[d - 1];
      }
      std::byte* target = &out[static_cast<size_t>(to) * step];
      const std::byte* value = &values[(i * block + k) * step];
      if (add && from.values.dtype == StoredDType::Float32) {
        float sum = 0;
        float term = 0;
        std::memcpy(&sum, target, sizeof sum);
        std::memcpy(&term, value, sizeof term);
        sum += term;
        std::memcpy(target, &sum, sizeof sum);
      } else {
        std::memcpy(target, value, step);
      }
    }
  }
}

std::optional<StoredTensor> coordinates(const Document& document, const StoredTensor& indices,
                                        const StoredTensor& values, const Shape& sizes, bool coalesced) {
  // [dimensions, count], and one value, or one block of the last dimensions, for each.
  if (indices.sizes.size() != 2 || values.sizes.empty() || values.sizes[0] != indices.sizes[1] ||
      indices.dtype != StoredDType::Int64 || static_cast<size_t>(indices.sizes[0]) > sizes.size()) {
    return std::nullopt;
  }
  const auto given = static_cast<size_t>(indices.sizes[0]);
  Scattered from{.sizes = sizes, .block = {values.sizes.begin() + 1, values.sizes.end()}, .values = values};
  if (!std::equal(from.block.begin(), from.block.end(), sizes.begin() + static_cast<ptrdiff_t>(given), sizes.end())) {
    return std::nullopt;
  }
  if (!coalesced && values.dtype != StoredDType::Float32) return std::nullopt;
  return computed(document, values.dtype, sizes, values, values.nbytes() + indices.nbytes(),
                  [=](std::span<std::byte> out) {
                    const std::vector<int64_t> places = values_of<int64_t>(indices);
                    const auto count = static_cast<size_t>(indices.sizes[1]);
                    scatter(from, out, !coalesced, [&](size_t i, Shape& at) {
                      for (size_t d = 0; d < given; ++d) at[d] = places[d * count + i];
                    });
                  });
}

std::optional<StoredTensor> compressed(const Document& document, const StoredTensor& pointers,
                                       const StoredTensor& indices, const StoredTensor& values, const Shape& sizes,
                                       bool columns) {
  const bool blocks = values.sizes.size() == 3;
  if (pointers.sizes.size() != 1 || indices.sizes.size() != 1 || sizes.size() != 2 || values.sizes.empty() ||
      values.sizes[0] != indices.sizes[0] || (values.sizes.size() != 1 && !blocks) ||
      is_floating_point(pointers.dtype) || is_floating_point(indices.dtype)) {
    return std::nullopt;
  }
  Scattered from{.sizes = sizes, .block = {values.sizes.begin() + 1, values.sizes.end()}, .values = values};
  if (!blocks) from.block = {1, 1};
  return computed(document, values.dtype, sizes, values, values.nbytes() + indices.nbytes() + pointers.nbytes(),
                  [=](std::span<std::byte> out) {
                    const std::vector<int64_t> begins = values_of<int64_t>(pointers);
                    const std::vector<int64_t> others = values_of<int64_t>(indices);
                    size_t line = 0;
                    scatter(from, out, false, [&](size_t i, Shape& at) {
                      while (line + 1 < begins.size() && begins[line + 1] <= static_cast<int64_t>(i)) ++line;
                      const auto own = static_cast<int64_t>(line);
                      at[0] = (columns ? others[i] : own) * from.block[0];
                      at[1] = (columns ? own : others[i]) * from.block[1];
                    });
                  });
}

std::optional<SpecialTensor> sparse(const Document& document, const Call& call) {
  if (call.size() < 2) return std::nullopt;
  const Call layout(document, call.id(0));
  const Call parts = call.list(1);
  const Node* name = layout.node(0);
  if (name == nullptr || name->kind != ValueKind::String) return std::nullopt;
  const std::string kind = name->text.substr(name->text.rfind('_') + 1);
  const bool pairs = kind == "coo";
  const size_t last = pairs ? 1 : 2;
  const auto sizes = parts.shape(last + 1);
  for (size_t i = 0; i <= last; ++i) {
    if (parts.tensor(i) == nullptr) return std::nullopt;
  }
  if (!sizes) return std::nullopt;
  const StoredTensor& values = *parts.tensor(last);
  const int64_t count = values.sizes.empty() ? 0 : values.sizes[0];
  SpecialTensor out{.text = fmt::format("sparse {} {} {}, {} {}", printable(kind, 20), bevgrad::name(values.dtype),
                                        to_string(*sizes), count, values.sizes.size() > 1 ? "blocks" : "values"),
                    .parts = {}};
  if (pairs) {
    out.parts = {{"indices", parts.id(0)}, {"values", parts.id(1)}};
    const Node* coalesced = parts.node(3);
    out.plain = coordinates(document, *parts.tensor(0), values, *sizes,
                            coalesced != nullptr && coalesced->kind == ValueKind::Bool && coalesced->integer != 0);
    return out;
  }
  out.parts = {{"pointers", parts.id(0)}, {"indices", parts.id(1)}, {"values", parts.id(2)}};
  if (kind == "csr" || kind == "csc" || kind == "bsr" || kind == "bsc") {
    out.plain = compressed(document, *parts.tensor(0), *parts.tensor(1), values, *sizes, kind.ends_with('c'));
  }
  return out;
}

// Nested: (buffer, sizes, strides, offsets), or, jagged, one dictionary.

std::optional<SpecialTensor> nested(const Document& document, const Call& call) {
  SpecialTensor out;
  if (call.size() == 1 && document.is_mapping(call.id(0))) {
    const auto values = document.find(call.id(0), "values");
    const auto offsets = document.find(call.id(0), "offsets");
    if (!values || !offsets || document.node(*values).kind != ValueKind::Tensor ||
        document.node(*offsets).kind != ValueKind::Tensor) {
      return std::nullopt;
    }
    out.parts = {{"values", *values}, {"offsets", *offsets}};
    const auto lengths = document.find(call.id(0), "lengths");
    if (lengths && document.node(*lengths).kind == ValueKind::Tensor) out.parts.emplace_back("lengths", *lengths);
    out.text = fmt::format("nested (jagged) {}, {} rows", name(document.node(*values).tensor->dtype),
                           std::max<int64_t>(document.node(*offsets).tensor->numel() - 1, 0));
    return out;
  }
  for (size_t i = 0; i < 4; ++i) {
    if (call.tensor(i) == nullptr) return std::nullopt;
  }
  out.parts = {{"values", call.id(0)}, {"sizes", call.id(1)}, {"strides", call.id(2)}, {"offsets", call.id(3)}};
  out.text = fmt::format("nested (strided) {}, {} tensors", name(call.tensor(0)->dtype), call.tensor(3)->numel());
  return out;
}

}  // namespace

std::optional<SpecialTensor> special_tensor(const Document& document, NodeId id) {
  if (document.node(id).kind != ValueKind::Object) return std::nullopt;
  const std::string_view type = document.type_name(id);
  const Call call(document, id);
  if (type == "torch._utils._rebuild_qtensor") return quantized(document, call);
  if (type == "torch._utils._rebuild_sparse_tensor") return sparse(document, call);
  if (type == "torch._utils._rebuild_nested_tensor" ||
      type == "torch.nested._internal.nested_tensor._rebuild_njt") {
    return nested(document, call);
  }
  return std::nullopt;
}

namespace {

void make_plain(Document& document, NodeId mapping, const std::string& prefix, int depth, std::set<NodeId>& open,
                std::vector<std::string>& done) {
  if (depth > kMaximumNesting || !open.insert(mapping).second) return;
  const std::vector<NodeId> entries = document.entries(mapping);
  for (size_t i = 0; i + 1 < entries.size(); i += 2) {
    const NodeId id = entries[i + 1];
    if (document.node(id).kind != ValueKind::Object && !document.is_mapping(id)) continue;
    const std::string label = prefix + key_text(document, entries[i]);
    auto special = special_tensor(document, id);
    if (!special) {
      if (document.is_mapping(id)) make_plain(document, id, label + ".", depth + 1, open, done);
      continue;
    }
    done.push_back(fmt::format("{} ({})", printable(label, 120), special->text));
    Node plain;
    if (special->plain) {
      plain.kind = ValueKind::Tensor;
      plain.tensor = std::make_unique<StoredTensor>(std::move(*special->plain));
    } else {
      plain.kind = ValueKind::Dict;
      for (const auto& [role, part] : special->parts) {
        plain.items.push_back(document.make_string(role));
        plain.items.push_back(part);
      }
    }
    document.node(id) = std::move(plain);
  }
}

}  // namespace

std::vector<std::string> make_special_tensors_plain(Document& document, NodeId mapping) {
  std::set<NodeId> open;
  std::vector<std::string> done;
  make_plain(document, mapping, "", 0, open, done);
  return done;
}

}  // namespace bevgrad
