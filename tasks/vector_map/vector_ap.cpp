#include "tasks/vector_map/vector_ap.h"

#include <sstream>

#include "evaluation/matching_ap.h"
#include "tasks/vector_map/decode.h"
#include "tasks/vector_map/targets.h"

namespace bevgrad {
namespace {

const std::vector<double> kDistances = {0.5, 1.0, 1.5};
constexpr size_t kOneMetre = 1;
/// Points of a true vector, of which its Chamfer distance is computed.
constexpr int64_t kTruePoints = 50;

std::vector<LaneVector> true_vectors(const JudgedFrame& judged, const VectorApOptions& options) {
  std::vector<LaneVector> vectors;
  for (const VectorTarget& target :
       vector_targets(judged.batch, judged.sample, options.classes, options.grid, kTruePoints)) {
    LaneVector& vector = vectors.emplace_back(LaneVector{target.class_id, 1, {}});
    for (const Vec2 p : target.points) vector.points.push_back(to_metres(p, options.grid));
    if (target.closed) vector.points.push_back(vector.points.front());
  }
  return vectors;
}

Ratio ap(const ApCounts& counts) {
  return average_precision(counts.detections, counts.truths[kAllCells]);
}

void write(std::ostream& out, const ApCounts& counts) {
  out << counts.truths[kAllCells] << ' ' << counts.detections.size();
  for (const RankedDetection& d : counts.detections) out << ' ' << fmt::format("{:a}", d.score) << ' ' << d.right;
  out << '\n';
}

void read_into(std::istream& in, ApCounts& counts) {
  int64_t truths = 0, detections = 0;
  in >> truths >> detections;
  counts.truths[kAllCells] += truths;
  for (int64_t i = 0; i < detections; ++i) {
    std::string score;
    bool right = false;
    in >> score >> right;
    counts.detections.push_back({std::strtof(score.c_str(), nullptr), right, kAllCells});
  }
}

}  // namespace

VectorAp::VectorAp(VectorApOptions options)
    : options_(std::move(options)),
      found_(static_cast<size_t>(options_.classes.count()), std::vector<ApCounts>(kDistances.size())),
      traced_(static_cast<size_t>(options_.classes.lanes), std::vector<ApCounts>(kDistances.size())) {}

void VectorAp::add(const JudgedFrame& judged) {
  const std::vector<LaneVector> truth = true_vectors(judged, options_);
  const auto anywhere = [](Vec2) { return kAllCells; };
  const auto add_to = [&](const std::vector<LaneVector>& vectors, Counts& counts) {
    count_lanes(vectors, truth, kDistances, anywhere, counts);
  };
  add_to(found_vectors(judged.output, judged.sample, options_.grid, options_.points, 0), found_);
  if (judged.frame.lane.empty()) return;
  has_traced_ = true;
  add_to(lane_vectors(judged.frame.lane, options_.grid, {options_.traced_threshold, options_.points, 1.0}), traced_);
}

std::string VectorAp::state() const {
  std::ostringstream out;
  out << has_traced_ << '\n';
  for (const Counts* all : {&found_, &traced_})
    for (const auto& of_class : *all)
      for (const ApCounts& counts : of_class) write(out, counts);
  return out.str();
}

void VectorAp::merge(const std::string& state) {
  std::istringstream in(state);
  bool has_traced = false;
  in >> has_traced;
  has_traced_ = has_traced_ || has_traced;
  for (Counts* all : {&found_, &traced_})
    for (auto& of_class : *all)
      for (ApCounts& counts : of_class) read_into(in, counts);
}

std::vector<Table> VectorAp::tables() const {
  Table table{"vector_ap",
              "Chamfer AP of vectors",
              {{"class", true}, {"metres", true}, {"truths", false}, {"queries", false}, {"traced", false}},
              {}};
  for (size_t k = 0; k < kDistances.size(); ++k) {
    std::vector<Ratio> found, traced;
    int64_t truths = 0;
    const std::string metres = fmt::format("{:.1f}", kDistances[k]);
    for (size_t c = 0; c < found_.size(); ++c) {
      const bool is_traced = has_traced_ && c < traced_.size();
      found.push_back(ap(found_[c][k]));
      traced.push_back(is_traced ? ap(traced_[c][k]) : Ratio());
      truths += found_[c][k].truths[kAllCells];
      table.add_row({options_.classes.names[c], metres, found_[c][k].truths[kAllCells], cell_of(found.back()),
                     cell_of(traced.back())});
    }
    table.add_row({std::string("mean"), metres, truths, cell_of(mean_of(found)), cell_of(mean_of(traced))});
  }
  return {table};
}

std::map<std::string, double> VectorAp::headline() const {
  std::vector<Ratio> all, lanes, traced;
  for (size_t c = 0; c < found_.size(); ++c) {
    for (const ApCounts& counts : found_[c]) all.push_back(ap(counts));
    if (c >= traced_.size()) continue;
    lanes.push_back(ap(found_[c][kOneMetre]));
    if (has_traced_) traced.push_back(ap(traced_[c][kOneMetre]));
  }
  std::map<std::string, double> figures;
  const auto add = [&](const char* name, const std::vector<Ratio>& values) {
    if (const Ratio mean = mean_of(values)) figures[name] = *mean;
  };
  add("vector_map", all);
  add("vector_ap_1m", lanes);
  add("traced_ap_1m", traced);
  return figures;
}

}  // namespace bevgrad
