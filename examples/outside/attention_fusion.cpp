#include "attention_fusion.h"

#include <cmath>

#include "lab.pb.h"

namespace lab {

using namespace bevgrad;

AttentionFusion::AttentionFusion(const NetworkOptions& options, int64_t heads, Generator& generator)
    : options_(options.temporal),
      grid_(options.grid),
      heads_(heads),
      channels_(options.bev_channels),
      q_(channels_, channels_),
      k_(channels_, channels_),
      v_(channels_, channels_),
      out_(channels_, channels_),
      gamma_(register_parameter("gamma", zeros({channels_}))) {
  register_module("q", q_);
  register_module("k", k_);
  register_module("v", v_);
  register_module("out", out_);
  init::reset_parameters(*this, generator);
}

TemporalFusionOutput AttentionFusion::forward(const Tensor& current, const History& history) {
  return module_call(*this, [&] {
    const auto [frames, masks] = warp_history(current, history, options_, grid_);
    const Tensor mask = ops::cat(masks, 1);
    const Tensor query = bevgrad::to(q_.forward(current), DType::Float32);
    std::vector<Tensor> keys, values;
    for (const Tensor& frame : frames) {
      keys.push_back(mul(query, bevgrad::to(k_.forward(frame), DType::Float32)));
      values.push_back(bevgrad::to(v_.forward(frame), DType::Float32));
    }
    const int64_t width = channels_ / heads_;
    std::vector<Tensor> mixed;
    Tensor weights;
    for (int64_t head = 0; head < heads_; ++head) {
      std::vector<Tensor> scores, parts;
      for (size_t i = 0; i < frames.size(); ++i) {
        scores.push_back(sum(narrow(keys[i], 1, head * width, width), {1}, true));
        parts.push_back(narrow(values[i], 1, head * width, width));
      }
      const Tensor shares = softmax(mul(cat(scores, 1), 1 / std::sqrt(static_cast<double>(width))), 1, mask);
      mixed.push_back(weighted_sum(parts, shares));
      weights = weights.defined() ? add(weights, shares) : shares;
    }
    const Tensor added = bevgrad::to(out_.forward(cat(mixed, 1)), DType::Float32);
    return TemporalFusionOutput{add_scaled(current, added, gamma_), mul(weights, 1.0 / static_cast<double>(heads_))};
  });
}

TemporalFusionKind attention_fusion() {
  return {.name = "Attention",
          .make = [](const NetworkOptions& options, const config::Temporal& temporal,
                     Generator& generator) -> std::unique_ptr<TemporalFusion> {
            return std::make_unique<AttentionFusion>(options, temporal.GetExtension(attention).heads(), generator);
          },
          .judge =
              [](const configs::Judge& judge, const config::Config& proto) {
                const int heads = proto.temporal().GetExtension(attention).heads();
                const int channels = proto.network().bev_channels();
                judge.require(heads > 0 && channels % heads == 0, "temporal.[lab.attention].heads",
                              "{} heads do not divide network.bev_channels, {}", heads, channels);
              }};
}

}  // namespace lab
