#include "nn/attention.h"

#include <cmath>
#include <limits>

#include "autograd/functions/dropout.h"
#include "autograd/functions/linear.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/reduce.h"
#include "autograd/functions/shape.h"
#include "autograd/functions/softmax.h"
#include "autograd/functions/where.h"
#include "nn/module_call.h"

namespace bevgrad {
namespace {

MultiheadAttentionSpec completed(MultiheadAttentionSpec spec) {
  check(spec.embed_dim > 0 && spec.num_heads > 0 && spec.embed_dim % spec.num_heads == 0,
        "MultiheadAttention: embed_dim {} must be a multiple of num_heads {}", spec.embed_dim, spec.num_heads);
  if (spec.kdim == 0) spec.kdim = spec.embed_dim;
  if (spec.vdim == 0) spec.vdim = spec.embed_dim;
  return spec;
}

bool is_uniform(const MultiheadAttentionSpec& spec) {
  return spec.kdim == spec.embed_dim && spec.vdim == spec.embed_dim;
}

// A bool mask (true: blocked) or a summand as a summand.
Tensor summand(const Tensor& mask, const Tensor& like) {
  if (mask.dtype() != DType::Bool) return mask;
  const Tensor none = zeros({}, {like.dtype(), {}, like.device()});
  return where(mask, full_like(none, -std::numeric_limits<double>::infinity()), none);
}

// Both masks as scaled_dot_product_attention takes them: what broadcasts to [N,heads,L,S], or undefined. A causal one
// is written out only where there is another.
Tensor combined_mask(const MultiheadAttentionOptions& options, const Tensor& q, const Tensor& k) {
  const int64_t n = q.size(0), heads = q.size(1), length = q.size(2), keys = k.size(2);
  Tensor mask;
  const auto combine = [&](const Tensor& other) {
    if (!mask.defined()) {
      mask = other;
    } else if (mask.dtype() == DType::Bool && other.dtype() == DType::Bool) {
      mask = logical_or(mask, other);
    } else {
      mask = add(summand(mask, q), summand(other, q));
    }
  };
  if (const Tensor& given = options.attn_mask; given.defined()) {
    const bool each = given.sizes() == Shape{n * heads, length, keys};
    check(each || given.sizes() == Shape{length, keys},
          "MultiheadAttention: attn_mask is {}, expected [{},{}] or [{},{},{}]", to_string(given.sizes()), length, keys,
          n * heads, length, keys);
    combine(each ? reshape(given, {n, heads, length, keys}) : given);
  }
  if (const Tensor& given = options.key_padding_mask; given.defined()) {
    check(given.sizes() == Shape{n, keys}, "MultiheadAttention: key_padding_mask is {}, expected [{},{}]",
          to_string(given.sizes()), n, keys);
    combine(reshape(given, {n, 1, 1, keys}));
  }
  if (options.is_causal && mask.defined()) {
    const TensorOptions like{DType::Int64, {}, q.device()};
    combine(gt(arange(static_cast<double>(keys), like), unsqueeze(arange(static_cast<double>(length), like), 1)));
  }
  return mask.defined() && mask.dtype() == DType::Bool ? logical_not(mask) : mask;
}

}  // namespace

MultiheadAttention::MultiheadAttention(const MultiheadAttentionSpec& spec)
    : spec_(completed(spec)),
      generator_(spec.seed),
      in_proj_weight(is_uniform(spec_)
                         ? register_parameter("in_proj_weight", zeros({3 * spec_.embed_dim, spec_.embed_dim}))
                         : Tensor()),
      q_proj_weight(is_uniform(spec_) ? Tensor()
                                      : register_parameter("q_proj_weight", zeros({spec_.embed_dim, spec_.embed_dim}))),
      k_proj_weight(is_uniform(spec_) ? Tensor()
                                      : register_parameter("k_proj_weight", zeros({spec_.embed_dim, spec_.kdim}))),
      v_proj_weight(is_uniform(spec_) ? Tensor()
                                      : register_parameter("v_proj_weight", zeros({spec_.embed_dim, spec_.vdim}))),
      in_proj_bias(spec_.bias ? register_parameter("in_proj_bias", zeros({3 * spec_.embed_dim})) : Tensor()),
      out_proj_(spec_.embed_dim, spec_.embed_dim, spec_.bias) {
  register_module("out_proj", out_proj_);
}

void MultiheadAttention::OutProjection::draw_parameters(Generator& generator) {
  init::kaiming_uniform(weight, generator);
  if (bias.defined()) init::constant(bias, 0);
}

void MultiheadAttention::draw_parameters(Generator& generator) {
  for (const Tensor* weight : {&in_proj_weight, &q_proj_weight, &k_proj_weight, &v_proj_weight})
    if (weight->defined()) init::xavier_uniform(*weight, generator);
  if (in_proj_bias.defined()) init::constant(in_proj_bias, 0);
}

// The query (0), key (1) or value (2) after its projection.
Tensor MultiheadAttention::projected(const Tensor& x, int which) const {
  const int64_t width = spec_.embed_dim;
  const Tensor own[] = {q_proj_weight, k_proj_weight, v_proj_weight};
  const Tensor weight = in_proj_weight.defined() ? narrow(in_proj_weight, 0, which * width, width) : own[which];
  return linear(x, weight, in_proj_bias.defined() ? narrow(in_proj_bias, 0, which * width, width) : Tensor());
}

// To [N,heads,L,E / heads].
Tensor MultiheadAttention::by_heads(const Tensor& x) const {
  const Tensor apart = reshape(x, {x.size(0), x.size(1), spec_.num_heads, spec_.embed_dim / spec_.num_heads});
  return permute(apart, spec_.batch_first ? std::vector<int>{0, 2, 1, 3} : std::vector<int>{1, 2, 0, 3});
}

MultiheadAttentionResult MultiheadAttention::forward(const Tensor& query, const Tensor& key, const Tensor& value,
                                                     const MultiheadAttentionOptions& options) {
  tape::check_defined("MultiheadAttention", {{"query", query}, {"key", key}, {"value", value}});
  const int rank = query.dim(), batch = spec_.batch_first ? 0 : 1;
  check((rank == 2 || rank == 3) && key.dim() == rank && value.dim() == rank,
        "MultiheadAttention: query {}, key {} and value {} must all have two or three dimensions",
        to_string(query.sizes()), to_string(key.sizes()), to_string(value.sizes()));
  if (rank == 2) {
    MultiheadAttentionOptions one = options;
    if (one.key_padding_mask.defined()) one.key_padding_mask = unsqueeze(one.key_padding_mask, 0);
    auto [output, weights] = forward(unsqueeze(query, batch), unsqueeze(key, batch), unsqueeze(value, batch), one);
    return {squeeze(output, batch), weights.defined() ? squeeze(weights, 0) : weights};
  }
  return module_call(*this, [&] {
    check(query.size(-1) == spec_.embed_dim && key.size(-1) == spec_.kdim && value.size(-1) == spec_.vdim &&
              key.size(0) == value.size(0) && key.size(1) == value.size(1) && query.size(batch) == key.size(batch),
          "MultiheadAttention: query {}, key {} and value {} do not fit features {}, {}, {} and one batch",
          to_string(query.sizes()), to_string(key.sizes()), to_string(value.sizes()), spec_.embed_dim, spec_.kdim,
          spec_.vdim);
    const Tensor q = by_heads(projected(query, 0)), k = by_heads(projected(key, 1)), v = by_heads(projected(value, 2));
    const Tensor mask = combined_mask(options, q, k);
    AttentionOptions attention{.attn_mask = mask,
                               .dropout_p = training() && !frozen() ? spec_.dropout : 0,
                               .is_causal = options.is_causal && !mask.defined(),
                               .generator = &generator_};
    MultiheadAttentionResult result;
    Tensor heads;
    if (options.need_weights) {
      // The weights of each head are the attention to the rows of the identity matrix.
      const Tensor rows = eye(k.size(2), -1, {q.dtype(), {}, q.device()});
      const Tensor weights = scaled_dot_product_attention(q, k, rows, attention);
      heads = matmul(weights, v);
      result.weights = options.average_attn_weights ? mean(weights, {1}) : weights;
    } else {
      heads = scaled_dot_product_attention(q, k, v, attention);
    }
    const Tensor joined = reshape(
        permute(heads, spec_.batch_first ? std::vector<int>{0, 2, 1, 3} : std::vector<int>{2, 0, 1, 3}), query.sizes());
    result.output = out_proj_.forward(joined);
    return result;
  });
}

}  // namespace bevgrad
