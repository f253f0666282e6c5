#include "train/validation_results.h"

#include <algorithm>
#include <filesystem>
#include <limits>

#include "autograd/autograd.h"
#include "drawing/report/html_report.h"
#include "internal/background_worker.h"
#include "train/frame_views.h"
#include "train/options/from_config.h"

namespace bevgrad {
namespace {

/// The most frames that wait to be drawn: their batches are held in memory.
constexpr size_t kMostUndrawn = 4;

}  // namespace

ValidationResults::ValidationResults(const config::Config& proto, const TaskList& tasks, const std::string& folder,
                                     int64_t total, bool goes_on)
    : proto_(proto),
      tasks_(tasks),
      folder_(folder),
      total_(total),
      goes_on_(goes_on),
      tracker_(evaluation_options(proto, tasks.kinds()).tracks),
      evaluation_(evaluation_options(proto, tasks.kinds()), tasks) {
  const config::Eval& eval = proto.eval();
  if (!eval.eval_with_visualize()) return;
  DriveRecorderOptions options;
  options.animations = eval.animations();
  options.maps = eval.stitched_maps();
  options.lanes = eval.lane_geojson();
  options.max_pictures = eval.max_pictures() == 0 ? std::numeric_limits<int64_t>::max() : eval.max_pictures();
  options.side_by_side = static_cast<size_t>(eval.batch_size());
  attempt([&] { recorder_.emplace(folder, drawing_options(proto, tasks.kinds()), options); });
  if (recorder_) drawing_ = std::make_unique<BackgroundWorker>(kMostUndrawn);
}

ValidationResults::~ValidationResults() = default;

void ValidationResults::attempt(const std::function<void()>& write) {
  if (!goes_on_) {
    write();
    return;
  }
  try {
    write();
    return;
  } catch (const Error& error) {
    if (refused_.empty()) refused_ = error.what();
  } catch (const std::filesystem::filesystem_error& error) {
    if (refused_.empty()) refused_ = error.what();
  }
  recorder_.reset();
}

void ValidationResults::add(const std::shared_ptr<const JudgedBatch>& judged) {
  const NoGradGuard no_grad;
  for (int64_t n = 0; n < judged->batch.size(); ++n) {
    EvaluationFrame frame = evaluation_frame(judged->batch, n, judged->output, tasks_);
    tracker_.follow(frame);
    evaluation_.add({frame, judged->output, judged->batch, n});
    if (!drawing_) continue;
    drawing_->push([this, judged, n, frame = std::make_shared<EvaluationFrame>(std::move(frame))] {
      const NoGradGuard no_grad;
      if (recorder_) attempt([&] { record(*judged, n, std::move(*frame)); });
    });
  }
}

std::pair<double, double> ValidationResults::picture_seconds() const {
  return drawing_ ? std::pair(drawing_->busy_seconds(), drawing_->waited_seconds()) : std::pair(0.0, 0.0);
}

void ValidationResults::record(const JudgedBatch& judged, int64_t n, EvaluationFrame frame) {
  if (wants_picture()) {
    recorder_->add(sample_picture(judged.batch, n, judged.output, judged.history, std::move(frame), proto_, tasks_));
    return;
  }
  // Only a picture shows the history.
  recorder_->add(sample_picture(judged.batch, n, judged.output, {}, std::move(frame), proto_, tasks_), false);
}

bool ValidationResults::wants_picture() {
  const int64_t most = proto_.eval().max_pictures(), seen = seen_++;
  // Spread over the run, so that every sequence has its share.
  const int64_t every = most == 0 ? 1 : std::max<int64_t>(1, (total_ + most - 1) / most);
  return seen % every == every / 2;
}

void ValidationResults::finish(ProcessGroup& group, const std::vector<PerturbedFigures>& perturbed) {
  if (drawing_) drawing_->finish();
  if (recorder_) attempt([&] { recorder_->finish(); });
  if (group.size() > 1) {
    TaskEvaluation all(evaluation_options(proto_, tasks_.kinds()), tasks_);
    for (const std::string& state : gather_texts(group, evaluation_.state())) all.merge(state);
    evaluation_ = std::move(all);
  }
  if (group.rank() != 0) return;
  summary_ = evaluation_.summary();
  if (!perturbed.empty()) summary_.tables.push_back(perturbation_table(summary_.headline.figures, perturbed));
  attempt([&] {
    write_evaluation(folder_, summary_);
    if (recorder_) write_html_report(folder_ + "/report.html", {read_run(folder_)});
  });
}

std::map<std::string, std::string> ValidationResults::first_pictures() const {
  return recorder_ ? recorder_->first_pictures() : std::map<std::string, std::string>();
}

}  // namespace bevgrad
