#include "autograd/functions/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "autograd/checkpoint.h"
#include "autograd/functions/dropout.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/products.h"
#include "autograd/functions/reduce.h"
#include "autograd/functions/shape.h"
#include "autograd/functions/softmax.h"
#include "autograd/functions/where.h"
#include "functions/internal/float16.h"

namespace bevgrad {
namespace {

constexpr const char* kOp = "scaled_dot_product_attention";
// Scores of a block (on a processor they stay in the caches, a GPU wants many at a time), the fewest queries of one
// (products of fewer rows are slow), and the scores that are kept for the backward pass instead of computed anew.
constexpr int64_t kHostScores = int64_t{1} << 17;
constexpr int64_t kDeviceScores = int64_t{1} << 20;
constexpr int64_t kFewestQueries = 64;
constexpr int64_t kKeptScores = int64_t{1} << 20;

Shape batch_of(const Tensor& x) {
  return {x.sizes().begin(), x.sizes().end() - 2};
}

// [..,a,b] with the batch dimensions broadcast and made one.
Tensor flat(const Tensor& x, const Shape& batch) {
  Shape sizes = batch;
  sizes.insert(sizes.end(), x.sizes().end() - 2, x.sizes().end());
  return reshape(x.sizes() == sizes ? x : expand(x, sizes), {numel(batch), x.size(-2), x.size(-1)});
}

// The mask as a summand [B or 1, L or 1, S or 1] of the scores; undefined where there is none.
Tensor summand(const Tensor& mask, const Shape& batch, const Tensor& q, const Tensor& k) {
  if (!mask.defined()) return {};
  check(mask.dtype() == DType::Bool || mask.dtype() == q.dtype(), "{}: attn_mask is {}, expected bool or {}", kOp,
        describe(mask), name(q.dtype()));
  check(mask.device() == q.device(), "{}: attn_mask is {}, query {}", kOp, describe(mask), describe(q));
  Shape expected = batch;
  expected.insert(expected.end(), {q.size(1), k.size(1)});
  check(mask.dim() >= 2 && mask.dim() <= static_cast<int>(expected.size()) &&
            broadcast_shapes(kOp, mask.sizes(), expected) == expected,
        "{}: attn_mask is {}, which does not broadcast to {}", kOp, to_string(mask.sizes()), to_string(expected));
  Tensor scores = mask;
  if (mask.dtype() == DType::Bool) {
    const Tensor none = zeros({}, {q.dtype(), {}, q.device()});
    scores = where(mask, none, full_like(none, -std::numeric_limits<double>::infinity()));
  }
  return numel(batch_of(mask)) == 1 ? reshape(scores, {1, mask.size(-2), mask.size(-1)}) : flat(scores, batch);
}

Tensor part(const Tensor& x, int dim, int64_t begin, int64_t length) {
  return x.size(dim) == 1 || length == x.size(dim) ? x : narrow(x, dim, begin, length);
}

// softmax of each row, 0 in rows that are -infinity throughout.
Tensor safe_softmax(const Tensor& scores) {
  Tensor nothing;
  {
    const NoGradGuard no_grad;
    nothing = eq(max(detach(scores), -1, true), -std::numeric_limits<double>::infinity());
    // To ask a GPU would mean to wait for it.
    if (nothing.device().is_cpu() && !any(nothing)) nothing = {};
  }
  if (!nothing.defined()) return softmax(scores, -1);
  return masked_fill(softmax(masked_fill(scores, nothing, 0), -1), nothing, 0);
}

// One block: its queries begin at `first` of all.
Tensor attend(const std::vector<Tensor>& in, int64_t first, const AttentionOptions& options) {
  const Tensor &q = in[0], &k = in[1], &v = in[2];
  Tensor scores = bmm(q, transpose(k, 1, 2));
  Tensor weights;
  if (options.is_causal) {
    const TensorOptions like{DType::Float32, {}, q.device()};
    const Tensor queries = arange(static_cast<double>(first), static_cast<double>(first + q.size(1)), 1, like);
    const Tensor later = gt(arange(static_cast<double>(k.size(1)), like), ops::unsqueeze(queries, 1));
    weights = softmax(masked_fill(scores, later, -std::numeric_limits<double>::infinity()), -1);
  } else {
    weights = in.size() > 3 ? safe_softmax(add(scores, in[3])) : softmax(scores, -1);
  }
  if (options.dropout_p > 0) weights = dropout(weights, options.dropout_p, *options.generator);
  return bmm(weights, v);
}

}  // namespace

Tensor scaled_dot_product_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                                    const AttentionOptions& options) {
  tape::check_defined(kOp, {{"query", query}, {"key", key}, {"value", value}});
  const bool ranks = query.dim() >= 2 && key.dim() >= 2 && value.dim() >= 2;
  check(ranks && query.size(-1) == key.size(-1) && key.size(-2) == value.size(-2) && query.dtype() == key.dtype() &&
            key.dtype() == value.dtype(),
        "{}: query {}, key {}, value {}; expected [..,L,E], [..,S,E] and [..,S,V] of one dtype", kOp, describe(query),
        describe(key), describe(value));
  if (is_float16(query)) {
    AttentionOptions wide = options;
    wide.attn_mask = in_float32(options.attn_mask);
    return to(scaled_dot_product_attention(in_float32(query), in_float32(key), in_float32(value), wide),
              DType::Float16);
  }
  check(!options.is_causal || !options.attn_mask.defined(), "{}: is_causal goes without attn_mask", kOp);
  check(options.dropout_p == 0 || options.generator != nullptr, "{}: dropout_p {} needs a generator", kOp,
        options.dropout_p);
  const Shape batch = broadcast_shapes(kOp, broadcast_shapes(kOp, batch_of(query), batch_of(key)), batch_of(value));
  const double scale = options.scale.value_or(1 / std::sqrt(static_cast<double>(std::max<int64_t>(query.size(-1), 1))));
  const Tensor q = flat(mul(query, scale), batch), k = flat(key, batch), v = flat(value, batch);
  const Tensor mask = summand(options.attn_mask, batch, q, k);

  const int64_t lines = q.size(0), queries = q.size(1), keys = k.size(1);
  Shape sizes = batch;
  sizes.insert(sizes.end(), {queries, value.size(-1)});
  // Without queries, keys or a batch there are no scores: the products of nothing are recorded all the same.
  if (lines * queries * keys == 0) return reshape(bmm(bmm(q, transpose(k, 1, 2)), v), sizes);

  const int64_t per_line = queries * keys;
  const int64_t most = q.device().is_cpu() ? kHostScores : kDeviceScores;
  const int64_t group = std::clamp<int64_t>(most / per_line, 1, lines);
  const int64_t rows = std::clamp<int64_t>(most / keys, kFewestQueries, std::max(queries, kFewestQueries));
  std::vector<Tensor> groups;
  for (int64_t begin = 0; begin < lines; begin += group) {
    const int64_t count = std::min(group, lines - begin);
    const Tensor qs = part(q, 0, begin, count), ks = part(k, 0, begin, count), vs = part(v, 0, begin, count);
    std::vector<Tensor> blocks;
    for (int64_t first = 0; first < queries; first += rows) {
      const int64_t length = std::min(rows, queries - first);
      const int64_t seen = options.is_causal ? std::min(first + length, keys) : keys;
      std::vector<Tensor> inputs = {part(qs, 1, first, length), part(ks, 1, 0, seen), part(vs, 1, 0, seen)};
      if (mask.defined()) inputs.push_back(part(part(mask, 0, begin, count), 1, first, length));
      const auto block = [first, options](const std::vector<Tensor>& in) { return attend(in, first, options); };
      blocks.push_back(lines * per_line <= kKeptScores ? block(inputs) : checkpoint(block, inputs));
    }
    groups.push_back(blocks.size() == 1 ? blocks[0] : cat(blocks, 1));
  }
  return reshape(groups.size() == 1 ? groups[0] : cat(groups, 0), sizes);
}

}  // namespace bevgrad
