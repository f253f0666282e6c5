#include "tasks/depth/depth_error.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "tasks/depth/depth_maps.h"

namespace bevgrad {

void DepthError::Sums::add(const Sums& other) {
  pixels += other.pixels;
  error += other.error;
  relative += other.relative;
  within += other.within;
}

void DepthError::add(const JudgedFrame& judged) {
  const auto n = static_cast<size_t>(judged.sample);
  for (const DepthGroup& group : depth_groups(judged.output, bins_)) {
    for (int64_t c = 0; c < group.logits.size(1); ++c) {
      const Raster<float> said = expected_depth(group, judged.sample, c, bins_);
      const Camera& camera = judged.batch.cameras[n][static_cast<size_t>(group.first_camera + c)];
      const Raster<float> measured = measured_depth(judged.batch.points[n], camera, said.rows, said.columns);
      for (size_t i = 0; i < said.values.size(); ++i) {
        const double truth = measured.values[i], value = said.values[i];
        if (std::isnan(truth) || bins_.bin_of(truth) < 0) continue;
        const auto row = std::upper_bound(kFarther.begin(), kFarther.end(), truth) - kFarther.begin() - 1;
        const double error = std::abs(value - truth);
        sums_[static_cast<size_t>(row)].add(
            {1, error, error / truth, std::max(value / truth, truth / value) < 1.25 ? 1.0 : 0.0});
      }
    }
  }
}

std::string DepthError::state() const {
  std::string text;
  for (const Sums& s : sums_) text += fmt::format("{:a} {:a} {:a} {:a}\n", s.pixels, s.error, s.relative, s.within);
  return text;
}

void DepthError::merge(const std::string& state) {
  std::istringstream in(state);
  const auto next = [&] {
    std::string word;
    in >> word;
    return std::strtod(word.c_str(), nullptr);
  };
  for (Sums& sums : sums_) {
    Sums other;
    for (double* value : {&other.pixels, &other.error, &other.relative, &other.within}) *value = next();
    sums.add(other);
  }
}

DepthError::Sums DepthError::total() const {
  Sums total;
  for (const Sums& sums : sums_) total.add(sums);
  return total;
}

std::vector<Table> DepthError::tables() const {
  Table table{"depth",
              "Depth at the pixels of LiDAR points",
              {{"metres", true}, {"pixels", false}, {"error", false}, {"relative", false}, {"within_1.25", false}},
              {}};
  const auto add_row = [&](const std::string& name, const Sums& s) {
    table.add_row({name, static_cast<int64_t>(s.pixels), cell_of(ratio(s.error, s.pixels)),
                   cell_of(ratio(s.relative, s.pixels)), cell_of(ratio(s.within, s.pixels))});
  };
  add_row("all", total());
  for (size_t i = 0; i < sums_.size(); ++i)
    add_row(i + 1 < kFarther.size() ? fmt::format("{:g} to {:g}", kFarther[i], kFarther[i + 1])
                                    : fmt::format("above {:g}", kFarther[i]),
            sums_[i]);
  return {table};
}

std::map<std::string, double> DepthError::headline() const {
  std::map<std::string, double> figures;
  const Sums sums = total();
  if (const Ratio error = ratio(sums.error, sums.pixels)) figures["depth_error"] = *error;
  if (const Ratio within = ratio(sums.within, sums.pixels)) figures["depth_within"] = *within;
  return figures;
}

}  // namespace bevgrad
