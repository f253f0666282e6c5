#include "tasks/centre/onnx_centres.h"

#include <algorithm>
#include <numbers>

#include "tensor/ops.h"

namespace bevgrad {
namespace {

constexpr int64_t kFloat = 1;

}  // namespace

OnnxCentres::OnnxCentres(OnnxLayers& layers, const OnnxMap& heatmap, double threshold, int64_t most)
    : layers_(layers),
      graph_(layers.graph()),
      rows_(std::min(most, heatmap.channels * heatmap.height * heatmap.width)) {
  const std::string scores = graph_.node("Sigmoid", {layers.widen(heatmap.value)});
  const std::string highest = graph_.node(
      "MaxPool", {scores}, {{"kernel_shape", std::vector<int64_t>{3, 3}}, {"pads", std::vector<int64_t>{1, 1, 1, 1}}});
  const std::string is_peak = graph_.node("GreaterOrEqual", {scores, highest});
  const std::string is_sure = graph_.node("GreaterOrEqual", {scores, graph_.constant(threshold)});
  const std::string peaks =
      graph_.node("Where", {graph_.node("And", {is_peak, is_sure}), scores, graph_.constant(-1.0)});
  // Of equals the first one comes first: in the order of class, row, column.
  const std::vector<std::string> best =
      graph_.nodes("TopK", {layers.reshape(peaks, {0, 1, -1}), graph_.constant(std::vector<int64_t>{rows_})}, {}, 2);
  const auto whole = [&](const char* op, const std::string& value, int64_t by) {
    return graph_.node(op, {value, graph_.constant(std::vector<int64_t>{by})});
  };
  const auto real = [&](const std::string& value) { return graph_.node("Cast", {value}, {{"to", kFloat}}); };
  scores_ = best[0];
  used_ = graph_.node("Greater", {scores_, graph_.constant(-0.5)});
  cells_ = whole("Mod", best[1], heatmap.height * heatmap.width);
  classes_ = whole("Div", best[1], heatmap.height * heatmap.width);
  row_ = real(whole("Div", cells_, heatmap.width));
  column_ = real(whole("Mod", cells_, heatmap.width));
}

std::string OnnxCentres::read(const OnnxMap& map, int64_t channel) {
  const auto from = [&](int64_t i) { return graph_.constant(std::vector<int64_t>{i}); };
  const std::string values =
      graph_.node("Slice", {layers_.widen(map.value), from(channel), from(channel + 1), from(1)});
  return graph_.node("GatherElements", {layers_.reshape(values, {0, 1, -1}), cells_}, {{"axis", 2}});
}

std::string OnnxCentres::size(const OnnxMap& map, int64_t channel) {
  return graph_.node("Exp", {graph_.node("Clip", {read(map, channel), graph_.constant(-20.0), graph_.constant(20.0)})});
}

std::string OnnxCentres::angle(const OnnxMap& map, int64_t sine_channel, const std::vector<bool>& symmetric) {
  constexpr double pi = std::numbers::pi;
  const std::string sine = read(map, sine_channel), cosine = read(map, sine_channel + 1);
  const auto number = [&](double value) { return graph_.constant(value); };
  const auto where = [&](const std::string& condition, const std::string& yes, const std::string& no) {
    return graph_.node("Where", {condition, yes, no});
  };
  const std::string zero = number(0);
  // atan2 of atan: a cosine of 0 divides as a tiny one, a negative one turns by pi.
  const std::string divisor = where(graph_.node("Equal", {cosine, zero}), number(1e-30), cosine);
  const std::string turn = where(graph_.node("GreaterOrEqual", {sine, zero}), number(pi), number(-pi));
  const std::string angle = layers_.add(graph_.node("Atan", {graph_.node("Div", {sine, divisor})}),
                                        where(graph_.node("Less", {cosine, zero}), turn, zero));
  if (std::ranges::find(symmetric, true) == symmetric.end()) return angle;
  const Tensor table = zeros({static_cast<int64_t>(symmetric.size())});
  for (size_t k = 0; k < symmetric.size(); ++k) table.data<float>()[k] = symmetric[k] ? 1.0f : 0.0f;
  const std::string folds = graph_.node("Gather", {graph_.constant(table), classes_});
  const std::string half_turn = where(graph_.node("Greater", {angle, number(pi / 2)}), number(-pi),
                                      where(graph_.node("LessOrEqual", {angle, number(-pi / 2)}), number(pi), zero));
  return layers_.add(angle, graph_.node("Mul", {half_turn, folds}));
}

std::string OnnxCentres::at(const std::string& along, const OnnxMap& map, int64_t channel, double first, double offset,
                            double cell) {
  const std::string cells = layers_.add(layers_.add(along, graph_.constant(offset)), read(map, channel));
  return layers_.add(graph_.node("Mul", {cells, graph_.constant(cell)}), graph_.constant(first));
}

std::string OnnxCentres::x(const OnnxMap& map, int64_t channel, double first, double offset, double cell) {
  return at(column_, map, channel, first, offset, cell);
}

std::string OnnxCentres::y(const OnnxMap& map, int64_t channel, double first, double offset, double cell) {
  return at(row_, map, channel, first, offset, cell);
}

void OnnxCentres::output(const std::string& name, std::vector<std::string> columns) {
  const auto count = static_cast<int64_t>(columns.size()) + 1;
  for (std::string& column : columns) column = graph_.node("Where", {used_, column, graph_.constant(0.0)});
  columns.push_back(
      graph_.node("Where", {used_, graph_.node("Cast", {classes_}, {{"to", kFloat}}), graph_.constant(-1.0)}));
  const std::string rows = graph_.node("Concat", columns, {{"axis", 1}});
  graph_.output(graph_.node("Transpose", {rows}, {{"perm", std::vector<int64_t>{0, 2, 1}}}), name,
                {std::string("N"), rows_, count});
}

}  // namespace bevgrad
