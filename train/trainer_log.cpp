// What a training says of itself: lines of its log, numbers, histograms, pictures, a profile.
#include <algorithm>
#include <thread>

#include "internal/clock.h"
#include "internal/pace.h"
#include "tensor/profile.h"
#include "train/frame_views.h"
#include "train/network_state.h"
#include "train/profile_report.h"
#include "train/trainer.h"

namespace bevgrad {
namespace {

constexpr size_t kMostRanksInScalars = 16;

}  // namespace

void Trainer::draw_debug(const Batch& batch, const NetworkOutput& output, const History& history) {
  const config::Temporal& temporal = document_.proto.temporal();
  if (temporal.debug_dir().empty() || global_step_ % temporal.visualize_interval() != 0) return;
  disk_.attempt("debug pictures", "the run goes on without these pictures", [&] {
    draw_temporal_debug(temporal.debug_dir(), global_step_, document_.proto, tasks_, batch, on_cpu(output),
                        on_cpu(history));
  });
}

StepReport Trainer::profiled_step() {
  profile::start(options_.device);
  const StepReport report = step();
  const std::vector<profile::Event> events = profile::stop();
  disk_.attempt("profile", "the run goes on without a profile", [&] {
    work_dir_.write_text("profile.txt", profile_table(events, *network_));
    work_dir_.write_text("profile.json", chrome_trace(events, *network_));
    log_.info(fmt::format("profile of step {}: {} and {}", report.step, work_dir_.file("profile.txt"),
                          work_dir_.file("profile.json")));
  });
  return report;
}

void Trainer::log_step(const StepReport& report) {
  Pace& pace = *pace_;
  ++pace.steps;
  pace.loss += report.loss;
  const bool is_due = global_step_ % document_.proto.train().log_interval() == 0 || global_step_ == total_steps_;
  if (!is_due && !(log_.is_live() && seconds_since(pace.drawn) > 0.2)) return;
  std::vector<StepTimes> ranks;
  if (is_due) ranks = gather_times(group_, pace.clock.take());
  const double elapsed = seconds_since(pace.start);
  if (elapsed > 0) pace.rate = static_cast<double>(pace.steps) / elapsed;
  pace.drawn = Clock::now();
  const Progress progress{
      "train",   global_step_,    total_steps_, pace.rate, pace.loss / static_cast<double>(pace.steps),
      report.lr, resident_bytes()};
  if (parallel_.is_first()) log_.progress(progress);
  if (!is_due) return;
  if (parallel_.is_first()) log_line(report, progress, ranks, elapsed);
  pace.steps = 0;
  pace.loss = 0;
  pace.start = Clock::now();
}

void Trainer::log_line(const StepReport& report, const Progress& progress, const std::vector<StepTimes>& ranks,
                       double elapsed) {
  Pace& pace = *pace_;
  const double waited = ranks[0].of(StepPart::Data);
  std::string line = fmt::format("{} grad_norm {:.4g} data {:.0f}%", to_string(progress), report.grad_norm,
                                 100 * waited / std::max(elapsed, 1e-9));
  Scalars scalars = {{"train/loss", progress.loss},
                     {"train/lr", report.lr},
                     {"train/grad_norm", report.grad_norm},
                     {"train/steps_per_second", pace.rate},
                     {"train/memory_gb", progress.memory / 1e9}};
  for (const auto& [name, value] : report.terms) {
    line += fmt::format(" {} {:.4g}", name, value);
    scalars.emplace_back("loss/" + name, value);
  }
  if (ranks.size() <= kMostRanksInScalars) {
    for (size_t rank = 0; rank < ranks.size(); ++rank)
      for (size_t part = 0; part < kStepParts.size(); ++part)
        scalars.emplace_back(fmt::format("rank{}/{}", rank, kStepParts[part]),
                             ranks[rank].seconds[part] / static_cast<double>(pace.steps));
  }
  log_.to_file(line);
  log_.to_file(describe_times(ranks, pace.steps));
  const int cores = options_.cores > 0 ? options_.cores : static_cast<int>(std::thread::hardware_concurrency());
  for (const std::string& warning :
       {pace.slow_rank.look(ranks, pace.steps),
        pace.slow_data.look(waited, elapsed, pace.steps, document_.proto.train().num_workers(), cores,
                            !cached_.empty())})
    if (!warning.empty()) log_.warn(fmt::format("step {}: {}", global_step_, warning));
  records_->add(global_step_, scalars);
}

}  // namespace bevgrad
