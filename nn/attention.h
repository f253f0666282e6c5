// Multi-head attention (Vaswani et al., "Attention is all you need", 2017), with PyTorch's parameter names.
#pragma once
#include "autograd/functions/attention.h"
#include "nn/linear.h"

namespace bevgrad {

struct MultiheadAttentionSpec {
  int64_t embed_dim = 0, num_heads = 1;
  double dropout = 0;  ///< of the weights, in training
  bool bias = true;
  int64_t kdim = 0, vdim = 0;  ///< features of keys and values; 0: embed_dim
  bool batch_first = false;
  uint64_t seed = 0;  ///< of the dropout's draws
};

struct MultiheadAttentionOptions {
  /// [N,S]: bool, true for keys that are ignored; or added to the scores.
  Tensor key_padding_mask = {};
  bool need_weights = false;
  /// [L,S] or [N * heads,L,S]: bool, true where a query may not see a key (scaled_dot_product_attention has it the
  /// other way round); or added to the scores.
  Tensor attn_mask = {};
  bool average_attn_weights = true;
  /// Query i sees the keys up to i only.
  bool is_causal = false;
};

struct MultiheadAttentionResult {
  Tensor output;   ///< laid out as the query
  Tensor weights;  ///< [N,L,S], or [N,heads,L,S] if they are not averaged; undefined unless asked for
};
template <class F>
void each_output(MultiheadAttentionResult& result, F&& f) {
  f(result.output);
  f(result.weights);
}

/// `in_proj_weight` [3 E,E] (with kdim or vdim of their own `q_proj_weight`, `k_proj_weight`, `v_proj_weight`),
/// `in_proj_bias` [3 E], `out_proj.weight`, `out_proj.bias`. query [L,N,E], key [S,N,kdim], value [S,N,vdim]; [N,L,E]
/// and so on with batch_first; without N one sequence. Memory grows with the length unless the weights are asked for.
class MultiheadAttention : public Module {
 public:
  explicit MultiheadAttention(const MultiheadAttentionSpec& spec);
  MultiheadAttentionResult forward(const Tensor& query, const Tensor& key, const Tensor& value,
                                   const MultiheadAttentionOptions& options = {});
  void draw_parameters(Generator& generator) override;

 private:
  /// Linear, with a bias that starts as 0.
  struct OutProjection : Linear {
    using Linear::Linear;
    void draw_parameters(Generator& generator) override;
  };

  Tensor projected(const Tensor& x, int which) const;
  Tensor by_heads(const Tensor& x) const;

  MultiheadAttentionSpec spec_;
  Generator generator_;

 public:
  const Tensor in_proj_weight, q_proj_weight, k_proj_weight, v_proj_weight;  // some undefined, see above
  const Tensor in_proj_bias;

 private:
  OutProjection out_proj_;
};

}  // namespace bevgrad
