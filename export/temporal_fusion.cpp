#include "export/stages.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

constexpr const char* kStage = "bev_static_temporal_fusion";
constexpr int64_t kFloat = 1;

/// History frames as one batch [N*history,...], in the current ego frame.
struct Warped {
  std::string features;
  std::string mask;  ///< bool [N*history,1,rows,columns]
};

// Positions are computed in float64 in bev/warp.h's order: which cell is the nearest hangs on their last bits.
class Warp {
 public:
  Warp(OnnxLayers& layers, const NetworkOptions& options)
      : layers_(layers), graph_(layers.graph()), options_(options) {}

  Warped operator()(const OnnxMap& current) {
    const BevGrid& grid = options_.grid;
    const int64_t history = options_.temporal.history, rows = current.height, columns = current.width;
    const std::string features =
        graph_.input("history_features", DType::Float32, {std::string("N"), history, current.channels, rows, columns});
    const std::string matrices = layers_.reshape(
        graph_.input("feature_warp_matrix", DType::Float64, {std::string("N"), history, int64_t{2}, int64_t{3}}),
        {-1, 6, 1, 1});
    const std::string valid =
        layers_.reshape(graph_.input("history_valid", DType::Bool, {std::string("N"), history}), {-1, 1, 1, 1});

    const std::string x = centres(grid.x_min, grid.x_max, columns, {1, 1, 1, columns});
    const std::string y = centres(grid.y_min, grid.y_max, rows, {1, 1, rows, 1});
    const std::string at_x = metric(matrices, 0, x, y), at_y = metric(matrices, 3, x, y);
    std::string mask = graph_.node("And", {within(at_x, grid.x_min, grid.x_max), within(at_y, grid.y_min, grid.y_max)});
    mask = graph_.node("And", {mask, valid});

    const std::string positions = graph_.node(
        "Concat", {normalised(at_x, grid.x_min, grid.x_max, columns), normalised(at_y, grid.y_min, grid.y_max, rows)},
        {{"axis", 1}});
    const std::string sampling = graph_.node("Transpose", {graph_.node("Cast", {positions}, {{"to", kFloat}})},
                                             {{"perm", std::vector<int64_t>{0, 2, 3, 1}}});
    // What a slot without a frame holds may be anything; it must not reach the sum as 0 * NaN.
    const std::string known = graph_.node(
        "Where", {valid, layers_.reshape(features, {-1, current.channels, rows, columns}), graph_.constant(0.0)});
    const std::string mode = options_.temporal.bilinear ? "bilinear" : "nearest";
    return {graph_.node("GridSample", {layers_.narrow(known), sampling},
                        {{"mode", mode}, {"padding_mode", std::string("zeros")}, {"align_corners", 0}}),
            mask};
  }

 private:
  std::string number(double value) { return graph_.constant(scalar(value, {DType::Float64})); }
  std::string binary(const char* op, const std::string& a, double b) { return graph_.node(op, {a, number(b)}); }

  std::string centres(double low, double high, int64_t count, const Shape& sizes) {
    std::vector<double> values;
    for (int64_t i = 0; i < count; ++i)
      values.push_back(low + (static_cast<double>(i) + 0.5) * (high - low) / static_cast<double>(count));
    return graph_.constant(from_values(values, sizes, {DType::Float64}));
  }
  std::string entry(const std::string& matrices, int64_t i) {
    return graph_.node(
        "Slice", {matrices, graph_.constant(std::vector<int64_t>{i}), graph_.constant(std::vector<int64_t>{i + 1}),
                  graph_.constant(std::vector<int64_t>{1})});
  }
  std::string metric(const std::string& matrices, int64_t row, const std::string& x, const std::string& y) {
    const std::string products =
        layers_.add(graph_.node("Mul", {entry(matrices, row), x}), graph_.node("Mul", {entry(matrices, row + 1), y}));
    return layers_.add(products, entry(matrices, row + 2));
  }
  std::string within(const std::string& at, double low, double high) {
    return graph_.node("And", {binary("GreaterOrEqual", at, low), binary("LessOrEqual", at, high)});
  }
  // Metres -> cells -> -1..1 over the map's edges, as GridSample wants them. The nearest cell is chosen here, in
  // float64.
  std::string normalised(const std::string& at, double low, double high, int64_t count) {
    const auto size = static_cast<double>(count);
    std::string cell = binary("Sub", binary("Div", binary("Mul", binary("Sub", at, low), size), high - low), 0.5);
    if (!options_.temporal.bilinear) cell = graph_.node("Round", {cell});
    return binary("Sub", binary("Div", binary("Add", binary("Mul", cell, 2), 1), size), 1);
  }

  OnnxLayers& layers_;
  OnnxGraph& graph_;
  const NetworkOptions& options_;
};

OnnxMap plus_gamma_times(OnnxLayers& layers, const OnnxMap& current, const OnnxMap& added) {
  const Tensor gamma =
      ops::reshape(ops::contiguous(layers.tensor(std::string(kStage) + ".gamma")), {current.channels, 1, 1});
  OnnxMap fused = current;
  fused.value = layers.add(current.value, layers.graph().node("Mul", {added.value, layers.weight(gamma, kStage)}));
  return fused;
}

}  // namespace

OnnxTemporal export_vgg_block_fusion(OnnxLayers& layers, const NetworkOptions& options, const OnnxMap& current) {
  OnnxGraph& graph = layers.graph();
  const std::string stage = kStage;
  const int64_t history = options.temporal.history, channels = current.channels;
  const int64_t rows = current.height, columns = current.width;
  const Warped warped = Warp(layers, options)(current);

  // The score's convolution on a concatenation is a sum of two, of which the current frame's is the same for every k.
  const Tensor weight = layers.tensor(stage + ".score.weight");
  const auto half = [&](int64_t begin) {
    return layers.weight(ops::contiguous(ops::narrow(weight, 1, begin, channels)), stage + ".score");
  };
  const std::string of_current = graph.node(
      "Conv", {current.value, half(0), layers.weight(layers.tensor(stage + ".score.bias"), stage + ".score")});
  const std::string of_frames =
      layers.reshape(graph.node("Conv", {warped.features, half(channels)}), {-1, history, rows, columns});
  const std::string all_frames =
      graph.node("Concat", {graph.node("Conv", {current.value, half(channels)}), of_frames}, {{"axis", 1}});
  const std::string scores = layers.widen(layers.add(all_frames, of_current));

  // The softmax over the frames that saw the cell; the current one always did. A masked score becomes one whose
  // exponential is 0.
  const std::string mask = layers.reshape(warped.mask, {-1, history, rows, columns});
  const std::string sees =
      graph.node("Pad", {graph.node("Cast", {mask}, {{"to", kFloat}}),
                         graph.constant(std::vector<int64_t>{0, 1, 0, 0, 0, 0, 0, 0}), graph.constant(1.0)});
  const std::string masked =
      graph.node("Where", {graph.node("Greater", {sees, graph.constant(0.5)}), scores, graph.constant(-1e30)});
  OnnxTemporal result;
  result.weights = graph.node("Softmax", {masked}, {{"axis", 1}});

  const std::string frames = layers.reshape(warped.features, {-1, history, channels, rows, columns});
  const std::string five = layers.reshape(current.value, {-1, 1, channels, rows, columns});
  const std::string every = graph.node("Concat", {five, frames}, {{"axis", 1}});
  const std::string shares = layers.reshape(layers.narrow(result.weights), {-1, history + 1, 1, rows, columns});
  const std::string mixed = graph.node(
      "ReduceSum", {graph.node("Mul", {every, shares}), graph.constant(std::vector<int64_t>{1})}, {{"keepdims", 0}});
  OnnxMap input{mixed, channels, rows, columns};
  if (options.temporal.overlap) {
    const std::string share = graph.node("ReduceMean", {sees}, {{"axes", std::vector<int64_t>{1}}, {"keepdims", 1}});
    input.value = graph.node("Concat", {mixed, layers.narrow(share)}, {{"axis", 1}});
    ++input.channels;
  }
  const OnnxMap first = layers.conv(input, stage + ".fusion_conv.0", {.padding = 1});
  const OnnxMap second = layers.conv(first, stage + ".fusion_conv.2", {.padding = 1});
  result.fused = plus_gamma_times(layers, current, second);
  return result;
}

OnnxTemporal export_conv_gru_fusion(OnnxLayers& layers, const NetworkOptions& options, const OnnxMap& current) {
  OnnxGraph& graph = layers.graph();
  const std::string stage = kStage;
  const int64_t history = options.temporal.history, channels = current.channels;
  const int64_t rows = current.height, columns = current.width;
  const Warped warped = Warp(layers, options)(current);
  const std::string frames = layers.reshape(warped.features, {-1, history, channels, rows, columns});
  const std::string masks =
      graph.node("Cast", {layers.reshape(warped.mask, {-1, history, rows, columns})}, {{"to", kFloat}});
  const auto slice = [&](const std::string& x, int64_t axis, int64_t begin, int64_t end) {
    return graph.node("Slice", {x, graph.constant(std::vector<int64_t>{begin}),
                                graph.constant(std::vector<int64_t>{end}), graph.constant(std::vector<int64_t>{axis})});
  };
  const auto product = [&](const std::string& a, const std::string& b) { return graph.node("Mul", {a, b}); };
  const auto one_less = [&](const std::string& x) {
    return graph.node("Sub", {layers.narrow(graph.constant(1.0)), x});
  };
  const auto conv = [&](const std::string& x, const std::string& state, const char* name) {
    const std::string both = graph.node("Concat", {x, state}, {{"axis", 1}});
    return layers.conv({both, 2 * channels, rows, columns}, stage + name, {.padding = 1, .relu = false}).value;
  };

  // From the oldest frame to the current one, as models/conv_gru_fusion.cpp, whose names these are.
  std::string state = layers.narrow(graph.node("Expand", {graph.constant(0.0), graph.node("Shape", {current.value})}));
  std::string seen =
      layers.narrow(graph.node("Expand", {graph.constant(0.0), graph.node("Shape", {slice(masks, 1, 0, 1)})}));
  std::vector<std::string> shares(static_cast<size_t>(history) + 1);
  for (int64_t k = history; k >= 0; --k) {
    const bool now = k == 0;
    const std::string x =
        now ? current.value : layers.reshape(slice(frames, 1, k - 1, k), {-1, channels, rows, columns});
    const std::string gates = graph.node("Sigmoid", {conv(x, state, ".gates")});
    const std::string z = slice(gates, 1, 0, channels), r = slice(gates, 1, channels, 2 * channels);
    const std::string n = graph.node("Tanh", {conv(x, product(r, state), ".candidate")});
    std::string kept = product(z, seen);
    if (!now) {
      const std::string valid = layers.narrow(slice(masks, 1, k - 1, k));
      kept = layers.add(product(kept, valid), one_less(valid));
      seen = layers.add(seen, product(valid, one_less(seen)));
    }
    state = layers.add(product(kept, state), product(one_less(kept), n));
    const std::string mean =
        graph.node("ReduceMean", {layers.widen(kept)}, {{"axes", std::vector<int64_t>{1}}, {"keepdims", 1}});
    for (size_t older = static_cast<size_t>(k) + 1; older < shares.size(); ++older)
      shares[older] = product(shares[older], mean);
    shares[static_cast<size_t>(k)] = graph.node("Sub", {graph.constant(1.0), mean});
  }
  const OnnxMap added = layers.conv({state, channels, rows, columns}, stage + ".out", {.relu = false});
  return {plus_gamma_times(layers, current, added), graph.node("Concat", shares, {{"axis", 1}})};
}

}  // namespace bevgrad
