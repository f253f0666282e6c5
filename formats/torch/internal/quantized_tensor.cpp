#include <cstring>

#include "base/error.h"
#include "torch/internal/special_parts.h"

namespace bevgrad {

namespace {

// Quantized: (storage, offset, sizes, strides, quantizer, requires_grad, hooks); the quantizer is (scheme, scale, zero
// point) or (scheme, scales, zero points, axis).

std::string quantized_type(const Node& storage) {
  for (const auto& [type, name] : {std::pair{"QInt8Storage", "qint8"},
                                   {"QUInt8Storage", "quint8"},
                                   {"QInt32Storage", "qint32"},
                                   {"QUInt4x2Storage", "quint4x2"},
                                   {"QUInt2x4Storage", "quint2x4"}}) {
    if (storage.text.ends_with(type)) return name;
  }
  return std::string(name(storage.tensor->dtype));
}

std::optional<StoredTensor> dequantized(const Document& document, const StoredTensor& codes,
                                        const CallArguments& quantizer) {
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
  if (!per_channel &&
      (scale == nullptr || scale->kind != ValueKind::Float || zero == nullptr || zero->kind != ValueKind::Int)) {
    return std::nullopt;
  }
  const double one_scale = per_channel ? 0 : scale->real;
  const double one_zero = per_channel ? 0 : static_cast<double>(zero->integer);
  return computed_tensor(
      document, StoredDType::Float32, codes.sizes, codes, codes.storage->bytes(), [=](std::span<std::byte> out) {
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
            // In float32, as PyTorch's dequantize() works: the same bits.
            const auto steps = static_cast<float>(to_double(codes.dtype, &piece[i]) - all_zeros[channel]);
            const float value = static_cast<float>(all_scales[channel]) * steps;
            std::memcpy(&out[at * sizeof value], &value, sizeof value);
          }
        });
      });
}

}  // namespace

std::optional<SpecialTensor> quantized_tensor(const Document& document, const CallArguments& call) {
  const StoredTensor* storage = call.tensor(0);
  const auto sizes = call.shape(2);
  const auto strides = call.shape(3);
  const Node* offset = call.node(1);
  if (storage == nullptr || !sizes || !strides || offset == nullptr || offset->kind != ValueKind::Int) {
    return std::nullopt;
  }
  const CallArguments quantizer = call.list(4);
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

}  // namespace bevgrad
