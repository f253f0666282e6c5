// Matrix products, and attention.
#include "autograd/functions.h"
#include "onnx_nodes/node.h"

namespace bevgrad::testing::onnx_nodes {
namespace {

Outputs gemm(const Node& n) {
  const Tensor a = n.integer("transA", 0) != 0 ? transpose(n[0], 0, 1) : n[0];
  const Tensor b = n.integer("transB", 0) != 0 ? transpose(n[1], 0, 1) : n[1];
  const Tensor y = matmul(a, b) * n.number("alpha", 1);
  return {n.has(2) ? y + n[2] * n.number("beta", 1) : y};
}

Outputs einsum_of(const Node& n) {
  std::string equation = n.text("equation", "");
  std::erase(equation, ' ');
  return {einsum(equation, n.inputs())};
}

/// [N,L,heads D] as [N,heads,L,D]; what has four dimensions is that already.
Tensor by_heads(const Tensor& x, int64_t heads) {
  if (x.dim() == 4) return x;
  return transpose(reshape(x, {x.size(0), x.size(1), heads, x.size(2) / heads}), 1, 2);
}

/// Each head of [N,heads,L,D] so many times.
Tensor repeated(const Tensor& x, int64_t times) {
  if (times == 1) return x;
  const Shape wide{x.size(0), x.size(1), times, x.size(2), x.size(3)};
  return reshape(expand(unsqueeze(x, 2), wide), {x.size(0), x.size(1) * times, x.size(2), x.size(3)});
}

Outputs attention(const Node& n) {
  needs(n.number("softcap", 0) == 0, "a cap of the scores");
  needs(!n.wants(3), "the scores as an output");
  needs(!n.has(6), "keys without padding by number");
  needs(!n.has("left_window_size") && !n.has("right_window_size"), "a window of keys");
  Tensor query = by_heads(n[0], n.integer("q_num_heads", 0));
  Tensor key = by_heads(n[1], n.integer("kv_num_heads", 0)), value = by_heads(n[2], n.integer("kv_num_heads", 0));
  const bool past = n.has(4);
  if (past) {
    key = cat({n[4], key}, 2);
    value = cat({n[5], value}, 2);
  }
  AttentionOptions options;
  if (n.has("scale")) options.scale = n.number("scale", 1);
  if (n.has(3)) options.attn_mask = n[3];
  if (n.integer("is_causal", 0) != 0) {
    needs(!n.has(3), "a mask besides the causal one");
    const int64_t before = past ? n[4].size(2) : 0;
    const Tensor row = unsqueeze(arange(static_cast<double>(query.size(2)), {DType::Int64}), 1);
    options.attn_mask = le(arange(static_cast<double>(key.size(2)), {DType::Int64}), row + static_cast<double>(before));
  }
  const int64_t times = query.size(1) / key.size(1);
  const Tensor y = scaled_dot_product_attention(query, repeated(key, times), repeated(value, times), options);
  const Tensor out = n[0].dim() == 4 ? y : reshape(transpose(y, 1, 2), {y.size(0), y.size(2), y.size(1) * y.size(3)});
  return {out, key, value};
}

}  // namespace

void add_products(Operators& all) {
  all["MatMul"] = [](const Node& n) -> Outputs { return {matmul(n[0], n[1])}; };
  all["Gemm"] = gemm;
  all["Einsum"] = einsum_of;
  all["Attention"] = attention;
}

}  // namespace bevgrad::testing::onnx_nodes
