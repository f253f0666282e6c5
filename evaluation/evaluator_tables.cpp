#include <algorithm>
#include <cmath>

#include "evaluation/counts.h"

namespace bevgrad {
namespace {

using Names = std::vector<std::string>;

std::string text_of(std::string_view view) {
  return std::string(view);
}

/// A number as a short key: 0.9, not 0.900000.
std::string key_of(double value) {
  return fmt::format("{:g}", value);
}

void add_iou(Table& table, Table& curves, const std::string& set, const std::string& task, const IouAccumulator& iou) {
  for (size_t s = 0; s < kNumStrata; ++s) {
    const auto stratum = static_cast<Stratum>(s);
    std::vector<Ratio> best_values;
    for (size_t c = 0; c < iou.class_names().size(); ++c) {
      const auto counts = iou.counts(c, stratum);
      const auto best = iou.best(c, stratum);
      best_values.push_back(best.iou);
      table.add_row({set, task, iou.class_names()[c], text_of(kStratumNames[s]), cell_of(counts.iou()),
                     cell_of(best.iou), cell_of(best.iou ? Ratio(best.threshold) : Ratio()), counts.predicted,
                     counts.truth});
    }
    table.add_row({set, task, std::string("mean"), text_of(kStratumNames[s]), cell_of(iou.mean_iou(stratum)),
                   cell_of(mean_of(best_values)), no_value(), no_value(), no_value()});
  }
  for (size_t c = 0; c < iou.class_names().size(); ++c)
    for (const float threshold : iou.thresholds()) {
      const auto counts = iou.counts(c, kAllCells, threshold);
      curves.add_row({set, task, iou.class_names()[c], fmt::format("{:.2f}", threshold),
                      cell_of(ratio(static_cast<double>(counts.intersection), static_cast<double>(counts.predicted))),
                      cell_of(ratio(static_cast<double>(counts.intersection), static_cast<double>(counts.truth))),
                      cell_of(counts.iou())});
    }
}

/// Means of the shares and distances, sums of the counts over the classes that there are.
void add_tracking(Table& table, const std::string& set, const TrackedDrives& drives, const Names& classes) {
  std::vector<TrackedDrive> all;
  for (const auto& [name, drive] : drives) all.push_back(drive);
  std::vector<Ratio> means[5];
  std::optional<int64_t> sums[9];
  for (size_t c = 0; c < classes.size(); ++c) {
    const auto f = tracking_figures(all, static_cast<int>(c));
    if (!f) continue;
    const double shares[] = {f->amota, f->amotp, f->recall, f->mota, f->motp};
    const std::optional<int64_t> counts[] = {f->mostly_tracked, f->mostly_lost, f->tracks,    f->matches, f->misses,
                                             f->false_alarms,   f->switches,    f->fragments, f->truths};
    std::vector<Cell> row = {set, classes[c]};
    for (size_t i = 0; i < std::size(shares); ++i) {
      means[i].push_back(shares[i]);
      row.push_back(shares[i]);
    }
    for (size_t i = 0; i < std::size(counts); ++i) {
      if (counts[i]) sums[i] = sums[i].value_or(0) + *counts[i];
      row.push_back(counts[i] ? Cell(*counts[i]) : no_value());
    }
    table.add_row(std::move(row));
  }
  if (means[0].empty()) return;
  std::vector<Cell> row = {set, std::string("all")};
  for (const auto& mean : means) row.push_back(cell_of(mean_of(mean)));
  for (const auto& sum : sums) row.push_back(sum ? Cell(*sum) : no_value());
  table.add_row(std::move(row));
}

void add_series(Table& table, const std::string& set, const std::string& task, const SeriesAccumulator& series) {
  const auto rows_of = [&](const std::string& label, const std::string* one, size_t strata) {
    const auto& names = series.class_names();
    for (size_t r = 0; r < series.ranges().size(); ++r)
      for (size_t s = 0; s < strata; ++s)
        for (size_t k = 0; k < series.options().conf.size(); ++k) {
          std::vector<Ratio> precisions, recalls, f1s, distances;
          const auto row = [&](const std::string& name, Ratio p, Ratio q, Ratio f1, Cell distance, Cell n, Cell t) {
            table.add_row({set, label, task, name, series.options().ranges[r].name, text_of(kStratumNames[s]),
                           key_of(series.options().conf[k]), cell_of(p), cell_of(q), cell_of(f1), distance, n, t});
          };
          for (size_t c = 0; c < names.size(); ++c) {
            const auto counts = series.counts(k, c, r, static_cast<Stratum>(s), one);
            row(names[c], counts.precision(), counts.recall(), counts.f1(), cell_of(counts.mean_distance()),
                counts.predicted, counts.truth);
            if (series.options().with_other && c == 0) continue;  // "Other" is no class of its own in the mean
            precisions.push_back(counts.precision());
            recalls.push_back(counts.recall());
            f1s.push_back(counts.f1());
            distances.push_back(counts.mean_distance());
          }
          row("mean", mean_of(precisions), mean_of(recalls), mean_of(f1s), cell_of(mean_of(distances)), no_value(),
              no_value());
        }
  };
  rows_of("(all)", nullptr, kNumStrata);
  const auto names = series.series();
  if (names.size() > 1)
    for (const auto& name : names) rows_of(name, &name, 1);
}

void add_confusion(Table& table, const std::string& set, const SeriesAccumulator& series) {
  const auto& classes = series.options().classes;
  for (size_t k = 0; k < series.options().conf.size(); ++k)
    for (size_t t = 0; t < classes.size(); ++t) {
      std::vector<Cell> row = {set, key_of(series.options().conf[k]), classes[t]};
      for (size_t p = 0; p < classes.size(); ++p) row.emplace_back(series.confusion(k, t, p));
      table.add_row(std::move(row));
    }
}

/// AP per class and its mean, for one threshold.
template <class ApOf>
void add_ap(Table& table, const std::string& set, const Names& classes, const std::string& threshold, ApOf ap_of) {
  for (size_t s = 0; s < kNumStrata; ++s) {
    std::vector<Ratio> values;
    const auto stratum = static_cast<Stratum>(s);
    for (size_t c = 0; c < classes.size(); ++c) {
      const auto [ap, predictions, truths] = ap_of(c, stratum);
      values.push_back(ap);
      table.add_row({set, classes[c], threshold, text_of(kStratumNames[s]), cell_of(ap), predictions, truths});
    }
    table.add_row({set, std::string("mean"), threshold, text_of(kStratumNames[s]), cell_of(mean_of(values)), no_value(),
                   no_value()});
  }
}

struct ApRow {
  Ratio ap;
  int64_t predictions, truths;
};

template <class Ap>
ApRow ap_row(const ApCounts& counts, Stratum stratum, Ap ap) {
  const auto detections = counts.of(stratum);
  return {ap(detections, counts.truths[stratum]), static_cast<int64_t>(detections.size()), counts.truths[stratum]};
}

/// One row for several thresholds together: the mean of their APs.
template <class Counts, class Ap>
ApRow mean_row(const Counts& counts, const std::vector<size_t>& thresholds, Stratum stratum, Ap ap) {
  std::vector<Ratio> values;
  ApRow row{};
  for (const size_t k : thresholds) {
    row = ap_row(counts[k], stratum, ap);
    values.push_back(row.ap);
  }
  row.ap = mean_of(values);
  return row;
}

void add_flicker(Table& table, const std::string& set, const std::string& task, const FlickerAccumulator& flicker) {
  for (size_t s = 0; s < kNumStrata; ++s) {
    const auto& c = flicker.counts()[s];
    table.add_row({set, task, text_of(kStratumNames[s]), cell_of(c.rate()), cell_of(c.marked_rate()), c.compared,
                   c.marked_compared, cell_of(c.consistency()), cell_of(c.label_consistency())});
  }
}

std::vector<Column> columns(std::initializer_list<const char*> keys, std::initializer_list<const char*> values) {
  std::vector<Column> all;
  for (const char* key : keys) all.push_back({key, true});
  for (const char* value : values) all.push_back({value, false});
  return all;
}

struct ResultTables {
  Table iou{
      "iou",
      "IoU per class",
      columns({"val set", "task", "class", "cells"}, {"iou", "best iou", "best at", "predicted cells", "true cells"}),
      {}};
  Table curves{"curves",
               "Precision and recall of the cells by threshold",
               columns({"val set", "task", "class", "threshold"}, {"precision", "recall", "iou"}),
               {}};
  Table series{"series",
               "Series evaluation",
               columns({"val set", "series", "task", "class", "range", "cells", "conf"},
                       {"precision", "recall", "f1", "mean distance", "predicted cells", "true cells"}),
               {}};
  Table confusion{"confusion",
                  "Types of the geometrically matched lane cells: rows are true, columns predicted",
                  columns({"val set", "conf", "true class"}, {}),
                  {}};
  Table chamfer{"chamfer_ap",
                "Chamfer AP of lane vectors",
                columns({"val set", "class", "threshold", "cells"}, {"ap", "predictions", "truths"}),
                {}};
  Table consistent{"consistent_ap",
                   "Chamfer AP where a true lane must be found by the same predicted lane from frame to frame",
                   columns({"val set", "class", "threshold", "cells"}, {"ap", "predictions", "truths"}),
                   {}};
  Table instances{"instance_ap",
                  "AP of static instances by rotated IoU",
                  columns({"val set", "class", "threshold", "cells"}, {"ap", "predictions", "truths"}),
                  {}};
  Table boxes{"dynamic_ap",
              "AP of 3-D boxes by centre distance (nuScenes)",
              columns({"val set", "class", "threshold", "cells"}, {"ap", "predictions", "truths"}),
              {}};
  Table tracking{
      "tracking",
      "Tracks of boxes (nuScenes)",
      columns({"val set", "class"}, {"amota", "amotp", "recall", "mota", "motp", "mostly tracked", "mostly lost",
                                     "tracks", "matches", "misses", "false alarms", "switches", "fragments", "truths"}),
      {}};
  Table flicker{
      "flicker",
      "From frame to frame: cells that change their predicted class though the place did not change, and what stays",
      columns({"val set", "task", "cells"},
              {"rate", "rate on marks", "compared cells", "compared on marks", "consistency", "consistency of labels"}),
      {}};
};

void add_set(ResultTables& t, const std::string& set, const SetCounts& counts, const EvaluationOptions& options) {
  const LabelSchema& labels = options.labels;
  const SequenceCounts total = counts.total(options);
  add_iou(t.iou, t.curves, set, "lane", total.lane_iou);
  add_iou(t.iou, t.curves, set, "road", total.road_iou);
  if (options.series_eval) {
    add_series(t.series, set, "lane", counts.lane_series);
    add_series(t.series, set, "road", counts.road_series);
    add_confusion(t.confusion, set, counts.lane_series);
  }
  if (options.chamfer_ap) {
    const auto thresholds = chamfer_thresholds_of(options);
    const auto add_lanes = [&](Table& table, auto average) {
      for (size_t k = 0; k < thresholds.size(); ++k)
        add_ap(table, set, labels.lane_classes, key_of(thresholds[k]),
               [&](size_t c, Stratum s) { return ap_row(counts.lanes[c][k], s, average); });
      for (const auto& chosen : options.chamfer_thresholds) {
        std::vector<size_t> indices;
        for (const double threshold : chosen)
          indices.push_back(std::find(thresholds.begin(), thresholds.end(), threshold) - thresholds.begin());
        add_ap(table, set, labels.lane_classes, fmt::format("{:g}, {:g}, {:g}", chosen[0], chosen[1], chosen[2]),
               [&](size_t c, Stratum s) { return mean_row(counts.lanes[c], indices, s, average); });
      }
    };
    add_lanes(t.chamfer, average_precision);
    add_lanes(t.consistent, consistent_average_precision);
  }
  if (options.instance_ap)
    add_ap(t.instances, set, labels.instance_classes, key_of(options.instance_iou),
           [&](size_t c, Stratum s) { return ap_row(total.instances[c], s, average_precision); });
  if (options.dynamic_ap) {
    std::vector<size_t> all;
    for (size_t k = 0; k < options.dynamic_distances.size(); ++k) {
      all.push_back(k);
      add_ap(t.boxes, set, labels.dynamic_classes, key_of(options.dynamic_distances[k]),
             [&](size_t c, Stratum s) { return ap_row(total.boxes[c][k], s, nuscenes_average_precision); });
    }
    add_ap(t.boxes, set, labels.dynamic_classes, "mean",
           [&](size_t c, Stratum s) { return mean_row(total.boxes[c], all, s, nuscenes_average_precision); });
  }
  if (options.tracking) add_tracking(t.tracking, set, counts.tracked, labels.dynamic_classes);
  if (options.flicker) {
    add_flicker(t.flicker, set, "lane", counts.lane_flicker);
    add_flicker(t.flicker, set, "road", counts.road_flicker);
  }
}

Table range_table(const EvaluationOptions& options) {
  Table table{"ranges",
              "Ranges as they lie on the grid, in metres",
              columns({"range"}, {"y min", "y max", "x min", "x max", "clipped"}),
              {}};
  for (const auto& range : options.ranges) {
    const auto effective = clip_to_grid(range, options.labels.grid);
    const auto& e = effective.range;
    table.add_row({range.name, e.y_min, e.y_max, e.x_min, e.x_max,
                   std::string(effective.empty     ? "outside"
                               : effective.clipped ? "clipped"
                                                   : "no")});
  }
  return table;
}

}  // namespace

std::vector<Table> tables_of(const std::map<std::string, SetCounts>& sets, const EvaluationOptions& options) {
  ResultTables tables;
  for (const auto& name : options.labels.lane_classes) tables.confusion.columns.push_back({name, false});
  if (sets.size() != 1) {
    SetCounts sum(options);
    for (const auto& [name, counts] : sets) sum.merge(counts);
    add_set(tables, "(all)", sum, options);
  }
  for (const auto& [name, counts] : sets) add_set(tables, name, counts, options);
  std::vector<Table> result = {std::move(tables.iou)};
  for (Table* table : {&tables.series, &tables.confusion, &tables.chamfer, &tables.consistent, &tables.instances,
                       &tables.boxes, &tables.tracking, &tables.flicker, &tables.curves})
    if (!table->rows.empty()) result.push_back(std::move(*table));
  if (options.series_eval) result.insert(result.begin() + 1, range_table(options));
  return result;
}

Table sample_table(const std::vector<SampleFigures>& samples) {
  Table table{"samples",
              "Mean IoU of each sample over the classes that occur in it",
              columns({"val set", "sequence", "key"}, {"timestamp", "lane iou", "road iou", "iou hidden now"}),
              {}};
  for (const auto& s : samples)
    table.add_row(
        {s.val_set, s.sequence, s.key, s.timestamp, cell_of(s.lane_iou), cell_of(s.road_iou), cell_of(s.hidden_iou)});
  return table;
}

Table iou_overview(const Table& iou) {
  Table table{"iou_overview", "IoU per class by what was seen", columns({"val set", "task", "class"}, {}), {}};
  for (const auto& name : kStratumNames) table.columns.push_back({text_of(name), false});
  const size_t value = iou.column("iou");
  for (const auto& row : iou.rows) {
    const std::vector<Cell> keys(row.begin(), row.begin() + 3);
    auto found = std::find_if(table.rows.begin(), table.rows.end(),
                              [&](const auto& r) { return std::equal(keys.begin(), keys.end(), r.begin()); });
    if (found == table.rows.end()) {
      std::vector<Cell> fresh = keys;
      fresh.resize(3 + kNumStrata);
      found = table.rows.insert(table.rows.end(), std::move(fresh));
    }
    (*found)[table.column(to_text(row[3]))] = row[value];
  }
  return table;
}

Table iou_comparison(const Table& a, const Table& b, const std::string& name_a, const std::string& name_b) {
  const Table left = iou_overview(a), right = iou_overview(b);
  Table table{"iou_comparison",
              "IoU per class by what was seen: " + name_a + " against " + name_b,
              columns({"val set", "task", "class"}, {}),
              {}};
  for (const auto& name : kStratumNames)
    for (const auto& part : {name_a, name_b, std::string("change")})
      table.columns.push_back({text_of(name) + ": " + part, false});
  const auto keys_of_row = [](const std::vector<Cell>& row) {
    Names keys;
    for (size_t i = 0; i < 3; ++i) keys.push_back(to_text(row[i]));
    return keys;
  };
  const auto add = [&](const std::vector<Cell>& row) {
    std::vector<Cell> out(row.begin(), row.begin() + 3);
    const Names keys = keys_of_row(row);
    for (size_t s = 0; s < kNumStrata; ++s) {
      const Cell in_a = left.find(keys, text_of(kStratumNames[s])), in_b = right.find(keys, text_of(kStratumNames[s]));
      const auto *x = std::get_if<double>(&in_a), *y = std::get_if<double>(&in_b);
      out.push_back(in_a);
      out.push_back(in_b);
      out.push_back(cell_of(x && y ? Ratio(*y - *x) : Ratio()));
    }
    table.add_row(std::move(out));
  };
  for (const auto& row : left.rows) add(row);
  // Val sets and classes that only the other run has.
  for (const auto& row : right.rows) {
    const Names keys = keys_of_row(row);
    if (std::none_of(left.rows.begin(), left.rows.end(), [&](const auto& r) { return keys_of_row(r) == keys; }))
      add(row);
  }
  return table;
}

}  // namespace bevgrad
