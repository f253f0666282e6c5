#include "tasks/vector_map/vector_ap.h"

#include <array>
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
  }
  return vectors;
}

using ApOf = Ratio(std::span<const RankedDetection>, int64_t truths);

Ratio ap(const ApCounts& counts, ApOf* of = average_precision) {
  return of(counts.detections, counts.truths[kAllCells]);
}

void write(std::ostream& out, const ApCounts& counts) {
  out << counts.truths[kAllCells] << ' ' << counts.detections.size();
  for (const RankedDetection& d : counts.detections)
    out << ' ' << fmt::format("{:a}", d.score) << ' ' << d.right << ' ' << d.stays;
  out << '\n';
}

void read_into(std::istream& in, ApCounts& counts) {
  int64_t truths = 0, detections = 0;
  in >> truths >> detections;
  counts.truths[kAllCells] += truths;
  for (int64_t i = 0; i < detections; ++i) {
    std::string score;
    bool right = false, stays = false;
    in >> score >> right >> stays;
    counts.detections.push_back({std::strtof(score.c_str(), nullptr), right, kAllCells, stays});
  }
}

}  // namespace

VectorAp::VectorAp(VectorApOptions options)
    : options_(std::move(options)),
      found_(static_cast<size_t>(options_.classes.count()), std::vector<ApCounts>(kDistances.size())),
      traced_(static_cast<size_t>(options_.classes.lanes), std::vector<ApCounts>(kDistances.size())),
      found_by_(kDistances.size()),
      traced_by_(kDistances.size()) {}

void VectorAp::add(const JudgedFrame& judged) {
  const std::vector<LaneVector> truth = true_vectors(judged, options_);
  const auto anywhere = [](Vec2) { return kAllCells; };
  const EvaluationFrame& frame = judged.frame;
  const std::string drive = frame.val_set + "/" + frame.series();
  const auto add_to = [&](std::vector<LaneVector> vectors, Counts& counts, LaneFinders& finders) {
    std::erase_if(vectors, [&](const LaneVector& vector) {
      return is_ignored(judged.batch, judged.sample, vector.class_id, vector.points, options_.classes, options_.grid);
    });
    finders.next(drive, vectors, truth, frame.timestamp, frame.ego_pose);
    count_lanes(vectors, truth, kDistances, anywhere, counts, &finders);
  };
  add_to(judged_vectors(judged.output, judged.sample, options_.grid, options_.points), found_, found_by_);
  if (frame.lane.empty()) return;
  has_traced_ = true;
  add_to(lane_vectors(frame.lane, options_.grid, {options_.traced_threshold, options_.points, 1.0}), traced_,
         traced_by_);
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
              {{"class", true},
               {"metres", true},
               {"truths", false},
               {"queries", false},
               {"traced", false},
               {"queries_consistent", false},
               {"traced_consistent", false}},
              {}};
  for (size_t k = 0; k < kDistances.size(); ++k) {
    std::array<std::vector<Ratio>, 4> columns;
    int64_t truths = 0;
    const std::string metres = fmt::format("{:.1f}", kDistances[k]);
    for (size_t c = 0; c < found_.size(); ++c) {
      const bool is_traced = has_traced_ && c < traced_.size();
      std::vector<Cell> row = {options_.classes.names[c], metres, found_[c][k].truths[kAllCells]};
      for (size_t i = 0; i < columns.size(); ++i) {
        ApOf* of = i < 2 ? average_precision : consistent_average_precision;
        const bool of_queries = i % 2 == 0;
        columns[i].push_back(of_queries ? ap(found_[c][k], of) : is_traced ? ap(traced_[c][k], of) : Ratio());
        row.push_back(cell_of(columns[i].back()));
      }
      truths += found_[c][k].truths[kAllCells];
      table.add_row(row);
    }
    std::vector<Cell> row = {std::string("mean"), metres, truths};
    for (const std::vector<Ratio>& column : columns) row.push_back(cell_of(mean_of(column)));
    table.add_row(row);
  }
  return {table};
}

std::map<std::string, double> VectorAp::headline() const {
  std::vector<Ratio> all, consistent, lanes, traced;
  for (size_t c = 0; c < found_.size(); ++c) {
    for (const ApCounts& counts : found_[c]) {
      all.push_back(ap(counts));
      consistent.push_back(ap(counts, consistent_average_precision));
    }
    if (c >= traced_.size()) continue;
    lanes.push_back(ap(found_[c][kOneMetre]));
    if (has_traced_) traced.push_back(ap(traced_[c][kOneMetre]));
  }
  std::map<std::string, double> figures;
  const auto add = [&](const char* name, const std::vector<Ratio>& values) {
    if (const Ratio mean = mean_of(values)) figures[name] = *mean;
  };
  add("vector_map", all);
  add("vector_c_map", consistent);
  add("vector_ap_1m", lanes);
  add("traced_ap_1m", traced);
  return figures;
}

}  // namespace bevgrad
