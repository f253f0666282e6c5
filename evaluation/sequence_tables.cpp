// Tables about sequences as a sample: thresholds and calibrations are fitted on other sequences than those that they
// are judged on.
#include "evaluation/counts.h"
#include "evaluation/headline_sample.h"

namespace bevgrad {
namespace {

struct Task {
  const char* name;
  LogitHistogram SequenceCounts::*logits;
};
constexpr Task kTasks[] = {{"lane", &SequenceCounts::lane_logits}, {"road", &SequenceCounts::road_logits}};

std::string percent(int tenth) {
  return fmt::format("{:.1f} to {:.1f}", tenth / 10.0, (tenth + 1) / 10.0);
}

/// `whole` without `part`.
LogitHistogram without(const LogitHistogram& whole, const LogitHistogram& part) {
  std::vector<int64_t> counts = whole.state();
  for (size_t i = 0; i < counts.size(); ++i) counts[i] -= part.state()[i];
  LogitHistogram rest;
  rest.set_state(std::move(counts));
  return rest;
}

Table any_mark_table(const std::map<std::string, SetCounts>& sets, const EvaluationOptions& options) {
  Table table{"any_mark",
              "Any lane mark, whatever its type, at the threshold that is best on the other sequences",
              {{"val set", true},
               {"cells", true},
               {"precision", false},
               {"recall", false},
               {"f1", false},
               {"iou", false},
               {"lowest threshold", false},
               {"highest threshold", false},
               {"predicted cells", false},
               {"true cells", false}},
              {}};
  const HeadlineSample sample(sets, options);
  const auto add = [&](const std::string& name, const std::string& set) {
    for (size_t s = 0; s < kNumStrata; ++s) {
      const auto any = sample.any_mark(static_cast<Stratum>(s), set);
      table.add_row({name, std::string(kStratumNames[s]), cell_of(any.lines.precision()), cell_of(any.lines.recall()),
                     cell_of(any.lines.f1()), cell_of(any.cells.iou()), any.low, any.high, any.lines.predicted,
                     any.lines.truth});
    }
  };
  if (sets.size() > 1) add("(all)", "");
  for (const auto& [set, counts] : sets) add(set, set);
  return table;
}

/// Calibration and reliability of one task's map over all sequences.
void add_calibration(Table& calibration, Table& reliability, const Task& task,
                     const std::vector<const SequenceCounts*>& sequences) {
  LogitHistogram all;
  for (const SequenceCounts* sequence : sequences) all.merge(sequence->*task.logits);
  Reliability raw, calibrated;
  raw.add(all);
  if (!raw.error()) return;
  bool is_calibrated = sequences.size() > 1;
  for (const SequenceCounts* sequence : sequences) {
    const auto fitted = fit_calibration(without(all, sequence->*task.logits));
    is_calibrated &= fitted.has_value();
    if (fitted) calibrated.add(sequence->*task.logits, *fitted);
  }
  const auto fitted = fit_calibration(all);
  calibration.add_row({std::string(task.name), fitted ? Cell(fitted->temperature) : Cell(),
                       fitted ? Cell(fitted->bias) : Cell(), fitted ? Cell(fitted->threshold()) : Cell(),
                       cell_of(raw.error()), is_calibrated ? cell_of(calibrated.error()) : Cell()});
  const auto add = [&](const char* kind, const Reliability& of) {
    for (int i = 0; i < 10; ++i) {
      const auto& bin = of.bins[static_cast<size_t>(i)];
      reliability.add_row({std::string(task.name), std::string(kind), percent(i), cell_of(bin.mean_probability()),
                           cell_of(bin.observed()), bin.cells});
    }
  };
  add("as predicted", raw);
  if (is_calibrated) add("calibrated", calibrated);
}

}  // namespace

std::vector<Table> sequence_tables_of(const std::map<std::string, SetCounts>& sets, const EvaluationOptions& options) {
  Table calibration{
      "calibration",
      "Temperature and bias by which a probability of 0.5 means one half, and the expected calibration error "
      "on sequences that they were not fitted on",
      {{"task", true},
       {"temperature", false},
       {"bias", false},
       {"0.5 is predicted as", false},
       {"error as predicted", false},
       {"error calibrated", false}},
      {}};
  Table reliability{"reliability",
                    "How often a cell is what it was predicted to be, by its probability",
                    {{"task", true},
                     {"probabilities", true},
                     {"from", true},
                     {"mean probability", false},
                     {"observed", false},
                     {"cells", false}},
                    {}};
  std::vector<const SequenceCounts*> sequences;
  for (const auto& [set, counts] : sets)
    for (const auto& [name, sequence] : counts.sequences) sequences.push_back(&sequence);
  for (const Task& task : kTasks) add_calibration(calibration, reliability, task, sequences);
  std::vector<Table> tables;
  if (!sets.empty()) tables.push_back(any_mark_table(sets, options));
  for (Table* table : {&calibration, &reliability})
    if (!table->rows.empty()) tables.push_back(std::move(*table));
  return tables;
}

}  // namespace bevgrad
