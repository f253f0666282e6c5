// Attention whose memory grows with the length, not with its square.
#pragma once
#include <optional>

#include "autograd/autograd.h"
#include "tensor/random.h"

namespace bevgrad {

struct AttentionOptions {
  /// Broadcasts to [..,L,S]: bool, true where a query may see a key; or of the queries' dtype, added to the scores (it
  /// may require a gradient). A query that sees no key gives 0.
  Tensor attn_mask = {};
  /// Of the weights; needs a generator where it is not 0.
  double dropout_p = 0;
  /// Query i sees the keys up to i only. Not together with a mask.
  bool is_causal = false;
  /// Of the scores; 1 / sqrt(E) where it is not given.
  std::optional<double> scale = {};
  Generator* generator = nullptr;
};

/// softmax(query key^T scale + mask) value: query [..,L,E], key [..,S,E], value [..,S,V], batch dimensions broadcast,
/// one dtype (float32, float64 or bfloat16) and device -> [..,L,V]. Scores are computed for a block of queries at a
/// time, and again in the backward pass (Rabe and Staats, 2021): of [..,L,S] there is never more than a few megabytes.
Tensor scaled_dot_product_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                                    const AttentionOptions& options = {});

}  // namespace bevgrad
