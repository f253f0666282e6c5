#include "tasks/vector_map/onnx.h"

#include <fmt/core.h>

#include <cmath>

#include "export/layers.h"
#include "tasks/vector_map/vector_head.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

constexpr int64_t kFloat = 1;
constexpr double kShortest = 1e-9;  // metres: what the length of an edge is divided by at least

std::vector<OnnxAttribute> order(const std::vector<int64_t>& dims) {
  return {{"perm", dims}};
}

// The names are those of vector_head.cpp. All but the projection of the feature computes in float32, as there.
class VectorNodes {
 public:
  VectorNodes(OnnxLayers& layers, const VectorHeadOptions& options)
      : layers_(layers), graph_(layers.graph()), options_(options) {}

  OnnxMaps operator()(const OnnxMap& feature, const VectorCoding& coding) {
    const int64_t vectors = options_.max_vectors, points = options_.points, width = options_.channels;
    const OnnxMap projected = layers_.conv(feature, kHead + "input_proj", {.relu = false, .logits = true});
    height_ = projected.height;
    width_ = projected.width;
    map_ = layers_.reshape(graph_.node("Transpose", {layers_.widen(projected.value)}, order({0, 2, 3, 1})),
                           {-1, height_ * width_, width});

    const Tensor instance = layers_.tensor(kHead + "instance_embedding.weight"),
                 point = layers_.tensor(kHead + "pts_embedding.weight");
    const auto query = [&](int64_t begin) {
      const auto half = [&](const Tensor& x, const Shape& sizes) {
        return constant(ops::reshape(ops::contiguous(ops::narrow(x, 1, begin, width)), sizes), kHead + "embedding");
      };
      return layers_.add(half(instance, {1, vectors, 1, width}), half(point, {1, 1, points, width}));
    };
    position_ = query(0);
    const std::string batch = graph_.node("Shape", {feature.value}, {{"start", 0}, {"end", 1}});
    const std::string sizes =
        graph_.node("Concat", {batch, graph_.constant(std::vector<int64_t>{vectors, points, width})}, {{"axis", 0}});
    std::string x = graph_.node("Expand", {query(width), sizes});
    std::string reference =
        layers_.reshape(sigmoid(linear(position_, kHead + "reference_points")), {-1, vectors * points, 2});

    std::string logits;
    for (int64_t i = 0; i < options_.layers; ++i) {
      x = layer(x, reference, fmt::format("{}decoder.layers.{}.", kHead, i));
      const std::string move =
          layers_.reshape(branch(x, fmt::format("{}reg_branches.{}.", kHead, i)), {-1, vectors * points, 2});
      reference = sigmoid(layers_.add(inverse_sigmoid(reference), move));
      const std::string names = fmt::format("{}cls_branches.{}.", kHead, i);
      const std::string mean = graph_.node("ReduceMean", {x}, {{"axes", std::vector<int64_t>{2}}, {"keepdims", 0}});
      if (i + 1 == options_.layers) {
        logits = branch(mean, names);
      } else {  // these are for training
        for (const char* name : {"0.weight", "0.bias", "2.weight", "2.bias"}) layers_.tensor(names + name);
      }
    }
    const std::string places = layers_.reshape(reference, {-1, 1, vectors, points, 2});
    graph_.output(places, kVectorPoints, {std::string("N"), int64_t{1}, vectors, points, int64_t{2}});
    if (layers_.wants_candidates()) output_candidates(logits, places, coding);
    return {
        {kVectorLogits, {layers_.reshape(logits, {-1, 1, vectors, options_.classes}), 1, vectors, options_.classes}}};
  }

 private:
  static inline const std::string kHead = "bev_vector_head.";

  std::string constant(const Tensor& value, const std::string& layer) {
    return layers_.widen(layers_.weight(value, layer));
  }
  std::string times(const std::string& a, const std::string& b) { return graph_.node("Mul", {a, b}); }
  std::string minus(const std::string& a, const std::string& b) { return graph_.node("Sub", {a, b}); }
  std::string sigmoid(const std::string& x) { return graph_.node("Sigmoid", {x}); }
  std::string inverse_sigmoid(const std::string& x) {
    const std::string p = graph_.node("Clip", {x, graph_.constant(kLeastPlace), graph_.constant(1 - kLeastPlace)});
    return graph_.node("Log", {graph_.node("Div", {p, minus(graph_.constant(1.0), p)})});
  }
  std::string transpose(const std::string& x, const std::vector<int64_t>& dims) {
    return graph_.node("Transpose", {x}, order(dims));
  }
  std::string sum(const std::string& x, int64_t axis) {
    return graph_.node("ReduceSum", {x, graph_.constant(std::vector<int64_t>{axis})}, {{"keepdims", 0}});
  }
  std::string slice(const std::string& x, int64_t axis, int64_t begin, int64_t end) {
    const auto whole = [&](int64_t value) { return graph_.constant(std::vector<int64_t>{value}); };
    return graph_.node("Slice", {x, whole(begin), whole(end), whole(axis)});
  }

  std::string linear(const std::string& x, const Tensor& weight, const Tensor& bias, const std::string& name) {
    return layers_.add(graph_.node("MatMul", {x, constant(ops::transpose(weight, 0, 1), name)}), constant(bias, name));
  }
  std::string linear(const std::string& x, const std::string& name) {
    return linear(x, layers_.tensor(name + ".weight"), layers_.tensor(name + ".bias"), name);
  }
  std::string branch(const std::string& x, const std::string& name) {
    return linear(layers_.relu(linear(x, name + "0")), name + "2");
  }
  std::string norm(const std::string& x, const std::string& name) {
    return graph_.node(
        "LayerNormalization",
        {x, constant(layers_.tensor(name + ".weight"), name), constant(layers_.tensor(name + ".bias"), name)},
        {{"axis", -1}, {"epsilon", 1e-5}});
  }

  /// MultiheadAttention among `length` rows: query and key [..,length,E], value alike -> [-1,length,E].
  std::string attention(const std::string& query, const std::string& value, int64_t length, const std::string& name) {
    const int64_t width = options_.channels, heads = options_.heads, each = width / heads;
    const Tensor weight = layers_.tensor(name + ".in_proj_weight"), bias = layers_.tensor(name + ".in_proj_bias");
    const auto by_heads = [&](const std::string& x, int64_t which, const std::vector<int64_t>& dims) {
      const std::string y = linear(x, ops::contiguous(ops::narrow(weight, 0, which * width, width)),
                                   ops::contiguous(ops::narrow(bias, 0, which * width, width)), name);
      return transpose(layers_.reshape(y, {-1, length, heads, each}), dims);
    };
    const std::string q =
        times(by_heads(query, 0, {0, 2, 1, 3}), graph_.constant(1 / std::sqrt(static_cast<double>(each))));
    const std::string scores = graph_.node("MatMul", {q, by_heads(query, 1, {0, 2, 3, 1})});
    const std::string mixed =
        graph_.node("MatMul", {graph_.node("Softmax", {scores}, {{"axis", -1}}), by_heads(value, 2, {0, 2, 1, 3})});
    return linear(layers_.reshape(transpose(mixed, {0, 2, 1, 3}), {-1, length, width}), name + ".out_proj");
  }

  /// MapAttention: query [N,L,E], reference [.,L,2] -> [N,L,E].
  std::string map_attention(const std::string& query, const std::string& reference, const std::string& name) {
    const int64_t width = options_.channels, heads = options_.heads, samples = options_.sampling_points,
                  length = options_.max_vectors * options_.points;
    const std::string value =
        layers_.reshape(transpose(linear(map_, name + ".value_proj"), {0, 2, 1}), {-1, width / heads, height_, width_});
    // Twice, because GridSample's places go from -1 to 1.
    const std::string cell =
        graph_.constant(from_values({2.0 / static_cast<double>(width_), 2.0 / static_cast<double>(height_)}, {2}));
    const std::string offsets =
        layers_.reshape(linear(query, name + ".sampling_offsets"), {-1, length, heads, samples, 2});
    const std::string centre =
        layers_.reshape(minus(times(reference, graph_.constant(2.0)), graph_.constant(1.0)), {-1, length, 1, 1, 2});
    const std::string places = layers_.reshape(transpose(layers_.add(centre, times(offsets, cell)), {0, 2, 1, 3, 4}),
                                               {-1, length, samples, 2});
    const std::string weights = graph_.node(
        "Softmax", {layers_.reshape(linear(query, name + ".attention_weights"), {-1, length, heads, samples})},
        {{"axis", 3}});
    const std::string sampled =
        graph_.node("GridSample", {value, places},
                    {{"mode", std::string("bilinear")}, {"padding_mode", std::string("zeros")}, {"align_corners", 0}});
    const std::string mixed =
        sum(times(sampled, layers_.reshape(transpose(weights, {0, 2, 1, 3}), {-1, 1, length, samples})), 3);
    return linear(transpose(layers_.reshape(mixed, {-1, width, length}), {0, 2, 1}), name + ".output_proj");
  }

  std::string layer(const std::string& input, const std::string& reference, const std::string& name) {
    const int64_t vectors = options_.max_vectors, points = options_.points, width = options_.channels;
    const std::vector<int64_t> turned = {0, 2, 1, 3};
    const std::string among_vectors =
        attention(layers_.reshape(transpose(layers_.add(input, position_), turned), {-1, vectors, width}),
                  layers_.reshape(transpose(input, turned), {-1, vectors, width}), vectors, name + "vector_attn");
    std::string x =
        norm(layers_.add(input, transpose(layers_.reshape(among_vectors, {-1, points, vectors, width}), turned)),
             name + "norm1");
    const std::string among_points = attention(layers_.reshape(layers_.add(x, position_), {-1, points, width}),
                                               layers_.reshape(x, {-1, points, width}), points, name + "point_attn");
    x = norm(layers_.add(x, layers_.reshape(among_points, {-1, vectors, points, width})), name + "norm2");
    const std::string query = layers_.reshape(layers_.add(x, position_), {-1, vectors * points, width});
    const std::string seen = map_attention(query, reference, name + "cross_attn");
    x = norm(layers_.add(x, layers_.reshape(seen, {-1, vectors, points, width})), name + "norm3");
    const std::string forward = linear(layers_.relu(linear(x, name + "linear1")), name + "linear2");
    return norm(layers_.add(x, forward), name + "norm4");
  }

  /// Points at equal arc length: the first one, and of every edge the share that lies before them.
  std::string resampled(const std::string& places, const VectorCoding& coding) {
    const int64_t vectors = options_.max_vectors, edges = options_.points - 1;
    const LabelGrid& grid = coding.grid;
    const std::string extent = graph_.constant(from_values({grid.x_max - grid.x_min, grid.y_max - grid.y_min}, {2}));
    const std::string metres = layers_.add(times(layers_.reshape(places, {-1, vectors, edges + 1, 2}), extent),
                                           graph_.constant(from_values({grid.x_min, grid.y_min}, {2})));
    const std::string edge = minus(slice(metres, 2, 1, edges + 1), slice(metres, 2, 0, edges));
    const std::string lengths = graph_.node("Sqrt", {sum(times(edge, edge), 3)});
    const Tensor earlier = zeros({edges, edges});
    for (int64_t i = 0; i < edges; ++i)
      for (int64_t j = i + 1; j < edges; ++j) earlier.data<float>()[i * edges + j] = 1;
    const std::string begins =
        layers_.reshape(graph_.node("MatMul", {lengths, graph_.constant(earlier)}), {-1, vectors, 1, edges});
    std::vector<double> shares;
    for (int i = 0; i < coding.points; ++i) shares.push_back(static_cast<double>(i) / (coding.points - 1));
    const std::string along = times(layers_.reshape(sum(lengths, 2), {-1, vectors, 1, 1}),
                                    graph_.constant(from_values(shares, {coding.points, 1})));
    const std::string divisor = graph_.node("Max", {lengths, graph_.constant(kShortest)});
    const std::string passed = graph_.node(
        "Clip", {graph_.node("Div", {minus(along, begins), layers_.reshape(divisor, {-1, vectors, 1, edges})}),
                 graph_.constant(0.0), graph_.constant(1.0)});
    return layers_.add(slice(metres, 2, 0, 1), graph_.node("MatMul", {passed, edge}));
  }

  void output_candidates(const std::string& logits, const std::string& places, const VectorCoding& coding) {
    const int64_t vectors = options_.max_vectors, columns = 2 * coding.points;
    const std::string scores = sigmoid(logits);
    const std::string highest =
        graph_.node("ReduceMax", {scores}, {{"axes", std::vector<int64_t>{2}}, {"keepdims", 0}});
    const std::string classes = graph_.node("ArgMax", {scores}, {{"axis", 2}, {"keepdims", 0}});
    const std::vector<std::string> best =
        graph_.nodes("TopK", {highest, graph_.constant(std::vector<int64_t>{vectors})}, {{"axis", 1}}, 2);
    const auto by_row = [&](const std::string& x) { return layers_.reshape(x, {-1, vectors, 1}); };
    const std::string score = by_row(best[0]), row = by_row(best[1]);
    const std::string of_row =
        graph_.node("Concat", std::vector<std::string>(static_cast<size_t>(columns), row), {{"axis", 2}});
    const std::string points = graph_.node(
        "GatherElements", {layers_.reshape(resampled(places, coding), {-1, vectors, columns}), of_row}, {{"axis", 1}});
    const std::string class_id =
        graph_.node("Cast", {graph_.node("GatherElements", {by_row(classes), row}, {{"axis", 1}})}, {{"to", kFloat}});
    const std::string used = graph_.node("GreaterOrEqual", {score, graph_.constant(coding.threshold)});
    const auto where_used = [&](const std::string& x, double otherwise) {
      return graph_.node("Where", {used, x, graph_.constant(otherwise)});
    };
    graph_.output(
        graph_.node("Concat", {where_used(points, 0), where_used(score, 0), where_used(class_id, -1)}, {{"axis", 2}}),
        "vector_candidates", {std::string("N"), vectors, columns + 2});
  }

  OnnxLayers& layers_;
  OnnxGraph& graph_;
  const VectorHeadOptions& options_;
  int64_t height_ = 0, width_ = 0;
  std::string map_, position_;
};

}  // namespace

OnnxMaps export_vector_head(OnnxLayers& layers, const OnnxMap& feature, const VectorHeadOptions& options,
                            const VectorCoding& coding) {
  return VectorNodes(layers, options)(feature, coding);
}

}  // namespace bevgrad
