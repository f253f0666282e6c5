#include "formats/torch/special_tensors.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "internal/computed_storage.h"
#include "internal/limits.h"
#include "internal/value_text.h"
#include "torch/internal/special_parts.h"

namespace bevgrad {

namespace {

constexpr uint64_t kMaximumUnfolding = 64;  // zeros that a sparse tensor may stand for, by the bytes that it has
constexpr uint64_t kUnfoldingFloor = 256 << 20;

// Nested: (buffer, sizes, strides, offsets), or, jagged, one dictionary.

std::optional<SpecialTensor> nested(const Document& document, const CallArguments& call) {
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

std::optional<StoredTensor> computed_tensor(const Document& document, StoredDType dtype, const Shape& sizes,
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

std::optional<SpecialTensor> special_tensor(const Document& document, NodeId id) {
  if (document.node(id).kind != ValueKind::Object) return std::nullopt;
  const std::string_view type = document.type_name(id);
  const CallArguments call(document, id);
  if (type == "torch._utils._rebuild_qtensor") return quantized_tensor(document, call);
  if (type == "torch._utils._rebuild_sparse_tensor") return sparse_tensor(document, call);
  if (type == "torch._utils._rebuild_nested_tensor" || type == "torch.nested._internal.nested_tensor._rebuild_njt") {
    return nested(document, call);
  }
  return std::nullopt;
}

namespace {

void make_plain(Document& document, NodeId mapping, const std::string& prefix, int depth, std::set<NodeId>& open,
                std::vector<std::string>& done) {
  if (depth > kMaximumDepth || !open.insert(mapping).second) return;
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
