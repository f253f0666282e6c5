#include "nn/transformer.h"

#include "autograd/functions/activations.h"
#include "autograd/functions/pointwise.h"
#include "nn/module_call.h"

namespace bevgrad {
namespace {

MultiheadAttentionSpec attention_spec(const TransformerLayerSpec& spec, uint64_t offset) {
  return {.embed_dim = spec.d_model,
          .num_heads = spec.nhead,
          .dropout = spec.dropout,
          .bias = spec.bias,
          .batch_first = spec.batch_first,
          .seed = spec.seed + offset};
}

// The spec of layer i of a model. No layer draws from more than eight seeds.
TransformerLayerSpec numbered(TransformerLayerSpec spec, int i) {
  spec.seed += 8 * static_cast<uint64_t>(i);
  return spec;
}

}  // namespace

TransformerFeedForward::TransformerFeedForward(const TransformerLayerSpec& spec)
    : linear1(spec.d_model, spec.dim_feedforward, spec.bias),
      dropout(spec.dropout, spec.seed),
      linear2(spec.dim_feedforward, spec.d_model, spec.bias),
      activation_(spec.activation) {}

Tensor TransformerFeedForward::run(const Tensor& x) {
  const Tensor hidden = linear1.forward(x);
  return linear2.forward(dropout.forward(activation_ == TransformerActivation::Relu ? relu(hidden) : gelu(hidden)));
}

TransformerEncoderLayer::TransformerEncoderLayer(const TransformerLayerSpec& spec)
    : norm_first_(spec.norm_first),
      self_attn_(attention_spec(spec, 1)),
      feed_forward_(spec),
      norm1_({spec.d_model}, spec.layer_norm_eps, spec.bias),
      norm2_({spec.d_model}, spec.layer_norm_eps, spec.bias),
      dropout1_(spec.dropout, spec.seed + 2),
      dropout2_(spec.dropout, spec.seed + 3) {
  register_module("self_attn", self_attn_);
  register_module("linear1", feed_forward_.linear1);
  register_module("dropout", feed_forward_.dropout);
  register_module("linear2", feed_forward_.linear2);
  register_module("norm1", norm1_);
  register_module("norm2", norm2_);
  register_module("dropout1", dropout1_);
  register_module("dropout2", dropout2_);
}

Tensor TransformerEncoderLayer::attended(const Tensor& x, const EncoderMasks& masks) {
  return dropout1_.forward(self_attn_
                               .forward(x, x, x,
                                        {.key_padding_mask = masks.src_key_padding_mask,
                                         .attn_mask = masks.src_mask,
                                         .is_causal = masks.is_causal})
                               .output);
}

Tensor TransformerEncoderLayer::forward(const Tensor& src, const EncoderMasks& masks) {
  return module_call(*this, [&] {
    const auto fed = [this](const Tensor& x) { return dropout2_.forward(feed_forward_.run(x)); };
    if (norm_first_) {
      const Tensor x = add(src, attended(norm1_.forward(src), masks));
      return add(x, fed(norm2_.forward(x)));
    }
    const Tensor x = norm1_.forward(add(src, attended(src, masks)));
    return norm2_.forward(add(x, fed(x)));
  });
}

TransformerDecoderLayer::TransformerDecoderLayer(const TransformerLayerSpec& spec)
    : norm_first_(spec.norm_first),
      self_attn_(attention_spec(spec, 1)),
      multihead_attn_(attention_spec(spec, 2)),
      feed_forward_(spec),
      norm1_({spec.d_model}, spec.layer_norm_eps, spec.bias),
      norm2_({spec.d_model}, spec.layer_norm_eps, spec.bias),
      norm3_({spec.d_model}, spec.layer_norm_eps, spec.bias),
      dropout1_(spec.dropout, spec.seed + 3),
      dropout2_(spec.dropout, spec.seed + 4),
      dropout3_(spec.dropout, spec.seed + 5) {
  register_module("self_attn", self_attn_);
  register_module("multihead_attn", multihead_attn_);
  register_module("linear1", feed_forward_.linear1);
  register_module("dropout", feed_forward_.dropout);
  register_module("linear2", feed_forward_.linear2);
  register_module("norm1", norm1_);
  register_module("norm2", norm2_);
  register_module("norm3", norm3_);
  register_module("dropout1", dropout1_);
  register_module("dropout2", dropout2_);
  register_module("dropout3", dropout3_);
}

Tensor TransformerDecoderLayer::self_attended(const Tensor& x, const DecoderMasks& masks) {
  return dropout1_.forward(self_attn_
                               .forward(x, x, x,
                                        {.key_padding_mask = masks.tgt_key_padding_mask,
                                         .attn_mask = masks.tgt_mask,
                                         .is_causal = masks.tgt_is_causal})
                               .output);
}

Tensor TransformerDecoderLayer::attended(const Tensor& x, const Tensor& memory, const DecoderMasks& masks) {
  return dropout2_.forward(
      multihead_attn_
          .forward(x, memory, memory,
                   {.key_padding_mask = masks.memory_key_padding_mask, .attn_mask = masks.memory_mask})
          .output);
}

Tensor TransformerDecoderLayer::forward(const Tensor& tgt, const Tensor& memory, const DecoderMasks& masks) {
  return module_call(*this, [&] {
    const auto fed = [this](const Tensor& x) { return dropout3_.forward(feed_forward_.run(x)); };
    if (norm_first_) {
      Tensor x = add(tgt, self_attended(norm1_.forward(tgt), masks));
      x = add(x, attended(norm2_.forward(x), memory, masks));
      return add(x, fed(norm3_.forward(x)));
    }
    Tensor x = norm1_.forward(add(tgt, self_attended(tgt, masks)));
    x = norm2_.forward(add(x, attended(x, memory, masks)));
    return norm3_.forward(add(x, fed(x)));
  });
}

TransformerEncoder::TransformerEncoder(const TransformerLayerSpec& spec, int num_layers) {
  register_module("layers", layers_);
  for (int i = 0; i < num_layers; ++i) layers_.emplace(numbered(spec, i));
}

Tensor TransformerEncoder::forward(const Tensor& src, const EncoderMasks& masks) {
  return module_call(*this, [&] {
    Tensor x = src;
    for (const auto& layer : layers_) x = layer->forward(x, masks);
    return x;
  });
}

TransformerDecoder::TransformerDecoder(const TransformerLayerSpec& spec, int num_layers) {
  register_module("layers", layers_);
  for (int i = 0; i < num_layers; ++i) layers_.emplace(numbered(spec, i));
}

Tensor TransformerDecoder::forward(const Tensor& tgt, const Tensor& memory, const DecoderMasks& masks) {
  return module_call(*this, [&] {
    Tensor x = tgt;
    for (const auto& layer : layers_) x = layer->forward(x, memory, masks);
    return x;
  });
}

}  // namespace bevgrad
