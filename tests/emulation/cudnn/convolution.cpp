#include "convolution.h"

#include <dnnl.hpp>

namespace bevgrad::emulation::cudnn {
namespace {

using dnnl::memory;

const dnnl::engine& engine() {
  // What is queued is still done while the process ends.
  static const dnnl::engine& instance = *new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return instance;
}

memory::dims sizes(const Operand& operand) {
  return {operand.sizes.begin(), operand.sizes.end()};
}

struct Descriptions {
  memory::desc x, weight, y, any_weight;
  memory::dims strides, padding;

  explicit Descriptions(const Pattern& p)
      : x(sizes(p.x), memory::data_type::f32, memory::format_tag::nhwc),
        weight(sizes(p.weight), memory::data_type::f32, memory::format_tag::ohwi),
        y(sizes(p.y), memory::data_type::f32, memory::format_tag::nhwc),
        any_weight(sizes(p.weight), memory::data_type::f32, memory::format_tag::any),
        strides(2, p.stride),
        padding(2, p.padding) {}
};

memory wrap(const memory::desc& desc, const std::vector<float>& values) {
  return {desc, engine(), const_cast<float*>(values.data())};
}

void reorder(const memory& from, const memory& to, dnnl::stream& stream) {
  memory source = from, target = to;
  dnnl::reorder(source, target).execute(stream, source, target);
}

std::vector<float> by_onednn(const Pattern& p, const std::vector<float>& first, const std::vector<float>& second) {
  const Descriptions d(p);
  dnnl::stream stream(engine());
  std::vector<float> result(static_cast<size_t>((p.pass == Pass::forward          ? p.y
                                                 : p.pass == Pass::backward_input ? p.x
                                                                                  : p.weight)
                                                    .count()));
  const dnnl::convolution_forward::primitive_desc forward(
      {dnnl::prop_kind::forward_training, dnnl::algorithm::convolution_direct, d.x, d.any_weight, d.y, d.strides,
       d.padding, d.padding},
      engine());
  if (p.pass == Pass::backward_weight) {
    const dnnl::convolution_backward_weights::primitive_desc description(
        {dnnl::algorithm::convolution_direct, d.x, d.any_weight, d.y, d.strides, d.padding, d.padding}, engine(),
        forward);
    const memory gradient(description.diff_weights_desc(), engine());
    dnnl::convolution_backward_weights(description)
        .execute(stream, {{DNNL_ARG_SRC, wrap(d.x, first)},
                          {DNNL_ARG_DIFF_DST, wrap(d.y, second)},
                          {DNNL_ARG_DIFF_WEIGHTS, gradient}});
    reorder(gradient, wrap(d.weight, result), stream);
  } else if (p.pass == Pass::backward_input) {
    const dnnl::convolution_backward_data::primitive_desc description(
        {dnnl::algorithm::convolution_direct, d.x, d.any_weight, d.y, d.strides, d.padding, d.padding}, engine(),
        forward);
    const memory weight(description.weights_desc(), engine());
    reorder(wrap(d.weight, second), weight, stream);
    dnnl::convolution_backward_data(description)
        .execute(stream, {{DNNL_ARG_DIFF_DST, wrap(d.y, first)},
                          {DNNL_ARG_WEIGHTS, weight},
                          {DNNL_ARG_DIFF_SRC, wrap(d.x, result)}});
  } else {
    const memory weight(forward.weights_desc(), engine());
    reorder(wrap(d.weight, second), weight, stream);
    dnnl::convolution_forward(forward).execute(
        stream, {{DNNL_ARG_SRC, wrap(d.x, first)}, {DNNL_ARG_WEIGHTS, weight}, {DNNL_ARG_DST, wrap(d.y, result)}});
  }
  stream.wait();
  return result;
}

/// Calls visit(pixel of x, pixel of y, tap) for all products of a convolution.
template <class Visit>
void for_each_tap(const Pattern& p, const Visit& visit) {
  const auto& [n, c, h, w] = p.x.sizes;
  const auto& [k, channels, kh, kw] = p.weight.sizes;
  const int64_t oh = p.y.sizes[2], ow = p.y.sizes[3];
  for (int64_t i = 0; i < n * oh * ow * kh * kw; ++i) {
    const int64_t tap = i % (kh * kw), pixel = i / (kh * kw), line = pixel / ow;
    const int64_t row = line % oh * p.stride - p.padding + tap / kw;
    const int64_t column = pixel % ow * p.stride - p.padding + tap % kw;
    if (row < 0 || row >= h || column < 0 || column >= w) continue;
    visit((line / oh * h + row) * w + column, pixel, tap);
  }
}

// oneDNN 2.6's 1x1 kernels with a stride write past their buffers where the channels do not fill a vector.
bool overruns(const Pattern& p) {
  return p.stride > 1 && p.padding == 0 && p.weight.sizes[2] == 1 && p.weight.sizes[3] == 1 &&
         (p.weight.sizes[0] % 16 != 0 || p.weight.sizes[1] % 16 != 0);
}

std::vector<float> by_loops(const Pattern& p, const std::vector<float>& first, const std::vector<float>& second) {
  const int64_t c = p.x.sizes[1], k = p.y.sizes[1], taps = p.weight.sizes[2] * p.weight.sizes[3];
  const Operand& target = p.pass == Pass::forward ? p.y : p.pass == Pass::backward_input ? p.x : p.weight;
  std::vector<double> sums(static_cast<size_t>(target.count()), 0.0);
  for_each_tap(p, [&](int64_t in, int64_t out, int64_t tap) {
    for (int64_t o = 0; o < k; ++o)
      for (int64_t i = 0; i < c; ++i) {
        const int64_t at_x = in * c + i, at_y = out * k + o, at_w = (o * taps + tap) * c + i;
        if (p.pass == Pass::forward) sums[at_y] += double{first[at_x]} * second[at_w];
        if (p.pass == Pass::backward_input) sums[at_x] += double{first[at_y]} * second[at_w];
        if (p.pass == Pass::backward_weight) sums[at_w] += double{first[at_x]} * second[at_y];
      }
  });
  return {sums.begin(), sums.end()};
}

}  // namespace

std::vector<float> convolve(const Pattern& pattern, const std::vector<float>& first, const std::vector<float>& second) {
  return overruns(pattern) ? by_loops(pattern, first, second) : by_onednn(pattern, first, second);
}

}  // namespace bevgrad::emulation::cudnn
