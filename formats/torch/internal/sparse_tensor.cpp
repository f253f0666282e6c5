#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/text.h"
#include "torch/internal/special_parts.h"

namespace bevgrad {

namespace {

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
        int64_t within = 0;
        if (d > outer) {
          within = rest % from.block[d - 1 - outer];
          rest /= from.block[d - 1 - outer];
        }
        const bool overflow = __builtin_add_overflow(index, within, &index);
        check(!overflow && index >= 0 && index < from.sizes[d - 1], "{}: an index {} of a sparse tensor {}",
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
  return computed_tensor(document, values.dtype, sizes, values, values.storage->bytes(), [=](std::span<std::byte> out) {
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
  return computed_tensor(document, values.dtype, sizes, values, values.storage->bytes(), [=](std::span<std::byte> out) {
    const std::vector<int64_t> begins = values_of<int64_t>(pointers);
    const std::vector<int64_t> others = values_of<int64_t>(indices);
    size_t line = 0;
    scatter(from, out, false, [&](size_t i, Shape& at) {
      while (line + 1 < begins.size() && begins[line + 1] <= static_cast<int64_t>(i)) ++line;
      const auto own = static_cast<int64_t>(line);
      const bool overflow = __builtin_mul_overflow(columns ? others[i] : own, from.block[0], &at[0]) ||
                            __builtin_mul_overflow(columns ? own : others[i], from.block[1], &at[1]);
      check(!overflow, "{}: an index {} of a sparse tensor", from.values.storage->name(), others[i]);
    });
  });
}

}  // namespace

std::optional<SpecialTensor> sparse_tensor(const Document& document, const CallArguments& call) {
  if (call.size() < 2) return std::nullopt;
  const CallArguments layout(document, call.id(0));
  const CallArguments parts = call.list(1);
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

}  // namespace bevgrad
