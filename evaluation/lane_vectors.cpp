#include "evaluation/lane_vectors.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "geometry/polyline.h"
#include "internal/fitted_line.h"
#include "internal/thinning.h"

namespace bevgrad {
namespace {

using Chain = std::vector<int64_t>;

/// The graph of a thinned mask.
class ThinGraph {
 public:
  ThinGraph(std::span<const uint8_t> thin, int64_t rows, int64_t columns)
      : set_(thin.begin(), thin.end()), rows_(rows), columns_(columns) {}

  int64_t cells() const { return rows_ * columns_; }
  bool set(int64_t cell) const { return set_[static_cast<size_t>(cell)]; }
  void erase(int64_t cell) { set_[static_cast<size_t>(cell)] = 0; }
  double step(int64_t a, int64_t b) const {
    return a / columns_ != b / columns_ && a % columns_ != b % columns_ ? std::sqrt(2.0) : 1.0;
  }

  /// Neighbours along the graph's edges.
  void neighbours(int64_t cell, std::vector<int64_t>& out) const {
    out.clear();
    const int64_t r = cell / columns_, c = cell % columns_;
    for (const auto& [dr, dc] : {std::pair{-1, 0}, {0, 1}, {1, 0}, {0, -1}})
      if (at(r + dr, c + dc)) out.push_back((r + dr) * columns_ + c + dc);
    for (const auto& [dr, dc] : {std::pair{-1, -1}, {-1, 1}, {1, 1}, {1, -1}})
      if (at(r + dr, c + dc) && !at(r + dr, c) && !at(r, c + dc)) out.push_back((r + dr) * columns_ + c + dc);
  }
  size_t degree(int64_t cell) const {
    std::vector<int64_t> out;
    neighbours(cell, out);
    return out.size();
  }

 private:
  bool at(int64_t r, int64_t c) const {
    return r >= 0 && r < rows_ && c >= 0 && c < columns_ && set_[static_cast<size_t>(r * columns_ + c)];
  }

  std::vector<uint8_t> set_;
  int64_t rows_, columns_;
};

double steps(const ThinGraph& graph, const Chain& chain) {
  double length = 0;
  for (size_t i = 1; i < chain.size(); ++i) length += graph.step(chain[i - 1], chain[i]);
  return length;
}

/// All chains between ends and junctions, then what is left: loops.
std::vector<Chain> chains_of(const ThinGraph& graph) {
  std::vector<Chain> chains;
  std::vector<uint8_t> visited(static_cast<size_t>(graph.cells()), 0);  // inner cells of a chain
  std::vector<int64_t> around;
  const auto walk = [&](int64_t from, int64_t first) {
    Chain chain{from, first};
    int64_t before = from, here = first;
    while (here != from && graph.degree(here) == 2) {
      visited[static_cast<size_t>(here)] = 1;
      graph.neighbours(here, around);
      const int64_t next = around[0] == before ? around[1] : around[0];
      before = here;
      here = next;
      chain.push_back(here);
    }
    return chain;
  };
  for (int64_t cell = 0; cell < graph.cells(); ++cell) {
    if (!graph.set(cell) || graph.degree(cell) == 2) continue;
    std::vector<int64_t> starts;
    graph.neighbours(cell, starts);
    for (const int64_t start : starts) {
      const bool node = graph.degree(start) != 2;
      if (node ? start < cell : visited[static_cast<size_t>(start)]) continue;  // walked from its other end
      chains.push_back(walk(cell, start));
    }
  }
  for (int64_t cell = 0; cell < graph.cells(); ++cell) {
    if (!graph.set(cell) || visited[static_cast<size_t>(cell)] || graph.degree(cell) != 2) continue;
    visited[static_cast<size_t>(cell)] = 1;
    graph.neighbours(cell, around);
    chains.push_back(walk(cell, around[0]));
  }
  return chains;
}

double mean_nearest(const std::vector<Vec2>& from, const std::vector<Vec2>& to) {
  double sum = 0;
  for (const Vec2 a : from) {
    double best = std::numeric_limits<double>::infinity();
    for (const Vec2 b : to) best = std::min(best, dot(a - b, a - b));
    sum += std::sqrt(best);
  }
  return sum / static_cast<double>(from.size());
}

}  // namespace

std::vector<std::vector<int64_t>> trace_chains(std::span<const uint8_t> thin, int64_t rows, int64_t columns,
                                               double min_cells) {
  check(thin.size() == static_cast<size_t>(rows * columns), "trace_chains: a mask of {} cells for {} x {}", thin.size(),
        rows, columns);
  ThinGraph graph(thin, rows, columns);
  // Side branches first: without them the mark that they grew from is one piece again.
  for (const Chain& chain : chains_of(graph)) {
    const size_t first = graph.degree(chain.front()), last = graph.degree(chain.back());
    const bool dangling = (first == 1 && last > 2) || (first > 2 && last == 1);
    if (!dangling || steps(graph, chain) >= min_cells) continue;
    const bool keep_first = first > 2;
    for (size_t i = keep_first ? 1 : 0; i < chain.size() - (keep_first ? 0 : 1); ++i) graph.erase(chain[i]);
  }
  auto chains = chains_of(graph);
  std::erase_if(chains, [&](const Chain& chain) { return steps(graph, chain) < min_cells; });
  return chains;
}

std::vector<LaneVector> lane_vectors(const ProbabilityRaster& probabilities, const LabelGrid& grid,
                                     const LaneVectorOptions& options) {
  check(options.points >= 2, "lane_vectors: {} points a polyline, at least 2", options.points);
  check(probabilities.rows == grid.rows() && probabilities.columns == grid.columns(),
        "lane_vectors: a raster of {} x {} for a grid of {} x {}", probabilities.rows, probabilities.columns,
        grid.rows(), grid.columns());
  std::vector<uint8_t> mask(static_cast<size_t>(probabilities.cells()), 0);
  for (int64_t c = 0; c < probabilities.channels; ++c) {
    const auto plane = probabilities.plane(c);
    for (size_t i = 0; i < mask.size(); ++i) mask[i] |= plane[i] >= options.threshold;
  }
  const int64_t columns = probabilities.columns;
  std::vector<LaneVector> lanes;
  for (const Chain& chain : trace_chains(thin_guo_hall(mask, probabilities.rows, columns), probabilities.rows, columns,
                                         options.min_length / grid.cell)) {
    LaneVector lane;
    double best = -1;
    for (int64_t c = 0; c < probabilities.channels; ++c) {
      double sum = 0;
      for (const int64_t cell : chain) {
        const float p = probabilities.plane(c)[static_cast<size_t>(cell)];
        if (std::isfinite(p)) sum += p;
      }
      if (sum > best) {
        best = sum;
        lane.class_id = c;
      }
    }
    lane.score = best / static_cast<double>(chain.size());
    std::vector<Vec2> points;
    for (const int64_t cell : chain)
      points.push_back({grid.x_min + (static_cast<double>(cell % columns) + 0.5) * grid.cell,
                        grid.y_min + (static_cast<double>(cell / columns) + 0.5) * grid.cell});
    lane.points = resample(fitted_line(points, grid.cell), options.points);
    const Vec2 a = lane.points.front(), b = lane.points.back();
    if (b.x < a.x || (b.x == a.x && b.y < a.y)) std::reverse(lane.points.begin(), lane.points.end());
    lanes.push_back(std::move(lane));
  }
  return lanes;
}

std::vector<LaneVector> lane_vectors(const LabelRaster& labels, const LabelGrid& grid,
                                     const LaneVectorOptions& options) {
  ProbabilityRaster certain(labels.channels, labels.rows, labels.columns);
  for (size_t i = 0; i < labels.values.size(); ++i) certain.values[i] = labels.values[i] == 1;
  return lane_vectors(certain, grid, options);
}

double chamfer_distance(std::span<const Vec2> a, std::span<const Vec2> b, int samples) {
  const auto from = resample(a, samples), to = resample(b, samples);
  return (mean_nearest(from, to) + mean_nearest(to, from)) / 2;
}

}  // namespace bevgrad
