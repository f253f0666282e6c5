#include "train/validator.h"

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "autograd/autograd.h"
#include "configs/convert.h"
#include "configs/validate.h"
#include "data/loader.h"
#include "models/history_feature_manager.h"
#include "tensor/ops.h"
#include "train/frame_views.h"
#include "train/network_state.h"
#include "train/report/html_report.h"
#include "train/signals.h"

namespace bevgrad {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

/// A key as a file name: slashes and what file systems do not take become "_".
std::string file_name(const std::string& key) {
  std::string name = key;
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '_' && c != '.') c = '_';
  }
  if (name.size() > 200) name.resize(200);
  return name.empty() || name.front() == '.' ? "_" + name : name;
}

}  // namespace

struct Validator::Impl {
  configs::Document document;
  ValidatorOptions options;
  RunLog& log;
  std::unique_ptr<Dataset> dataset;
  int64_t pictures = 0;
  int64_t drawn_seen = 0;

  void add_batch(Evaluator& evaluator, const Batch& batch, const NetworkOutput& output, const History& history);
  void draw(const Batch& batch, int64_t n, const NetworkOutput& output, const History& history, EvaluationFrame frame);
  int64_t total() const;
  bool wants_picture();
};

Validator::Validator(const configs::Document& document, const ValidatorOptions& options, RunLog& log)
    : impl_(new Impl{document, options, log, nullptr}) {
  const config::Config& proto = document.proto;
  if (proto.data().val().empty())
    throw UsageError(fmt::format("{}: field \"data.val\": there is no val set", document.place("data.val")));
  impl_->dataset = std::make_unique<Dataset>(configs::lmdb_list(proto), configs::val_lists(proto),
                                             configs::dataset_options(proto, false));
  configs::validate_history_reach(document, impl_->dataset->frame_period());
  std::error_code error;
  fs::create_directories(options.output_dir, error);
  if (error) throw UsageError(fmt::format("{}: cannot make this folder: {}", options.output_dir, error.message()));
}

Validator::~Validator() = default;

int64_t Validator::Impl::total() const {
  const int64_t most = document.proto.eval().max_samples();
  return most > 0 ? std::min(most, dataset->size()) : dataset->size();
}

bool Validator::Impl::wants_picture() {
  const config::Eval& eval = document.proto.eval();
  if (!eval.eval_with_visualize()) return false;
  const int64_t seen = drawn_seen++;
  if (eval.max_pictures() == 0) return true;
  // Spread over the run, so that every sequence has its share.
  const int64_t every = std::max<int64_t>(1, (total() + eval.max_pictures() - 1) / eval.max_pictures());
  return seen % every == every / 2 && pictures < eval.max_pictures();
}

void Validator::Impl::draw(const Batch& batch, int64_t n, const NetworkOutput& output, const History& history,
                           EvaluationFrame frame) {
  const std::string folder = fmt::format("{}/pictures/{}", options.output_dir, file_name(frame.val_set));
  std::error_code error;
  fs::create_directories(folder, error);
  check(!error, "{}: cannot make this folder: {}", folder, error.message());
  const std::string path = fmt::format("{}/{}.png", folder, file_name(frame.key));
  draw_sample(sample_picture(batch, n, output, history, std::move(frame), document.proto),
              drawing_options(document.proto))
      .write_png(path);
  ++pictures;
}

void Validator::Impl::add_batch(Evaluator& evaluator, const Batch& batch, const NetworkOutput& output,
                                const History& history) {
  for (int64_t n = 0; n < batch.size(); ++n) {
    EvaluationFrame frame = evaluation_frame(batch, n, output, document.proto);
    evaluator.add(frame);
    if (wants_picture()) draw(batch, n, output, history, std::move(frame));
  }
}

std::map<std::string, double> Validator::run(Network& network) {
  const config::Config& proto = impl_->document.proto;
  RunLog& log = impl_->log;
  for (const std::string& remark : impl_->dataset->remarks()) log.info(remark);
  const NoGradGuard no_grad;
  network.set_training(false);
  Evaluator evaluator(evaluation_options(proto));
  const int64_t slots = proto.eval().batch_size();
  Loader loader(*impl_->dataset, make_sequential_sampler(*impl_->dataset, {.batch_size = slots}),
                {.workers = proto.train().num_workers()});
  std::unique_ptr<HistoryFeatureManager> history_manager;
  const int64_t total = impl_->total();
  const Clock::time_point start = Clock::now();
  Clock::time_point shown = start;
  int64_t done = 0;
  int signal = 0;
  while (done < total && signal == 0) {
    const std::optional<Batch> batch = loader.next();
    if (!batch) break;
    NetworkOutput output = network.encode(network_input(*batch));
    History history;
    if (proto.tasks().enable_static_temporal()) {
      if (!history_manager)
        history_manager = std::make_unique<HistoryFeatureManager>(configs::history_options(proto), batch->size());
      history_manager->shrink(batch->size());  // the last batches of side-by-side streams are smaller
      const std::vector<FrameMoment> moments = moments_of(*batch);
      for (size_t n = 0; n < batch->starts.size(); ++n) {
        if (batch->starts[n]) history_manager->reset(static_cast<int64_t>(n));
      }
      history = history_manager->sample(moments);
      history_manager->push(output.bev_fused, moments);
    }
    network.decode(output, history);
    impl_->add_batch(evaluator, *batch, output, history);
    done += batch->size();
    signal = StopSignals::caught();
    const double elapsed = std::chrono::duration<double>(Clock::now() - start).count();
    const double pause = std::chrono::duration<double>(Clock::now() - shown).count();
    if (pause > (log.is_live() ? 0.2 : 10.0) || done >= total) {
      shown = Clock::now();
      Progress progress;
      progress.what = "val";
      progress.done = done;
      progress.total = total;
      progress.rate = static_cast<double>(done) / std::max(elapsed, 1e-9);
      progress.memory = resident_bytes();
      log.progress(progress);
    }
  }
  write_evaluation(impl_->options.output_dir, evaluator);
  if (proto.eval().eval_with_visualize())
    write_html_report(impl_->options.output_dir + "/report.html", {read_run(impl_->options.output_dir)});
  for (const std::string& remark : evaluator.remarks()) log.info(remark);
  for (const Table& table : evaluator.tables()) {
    if (table.name == "iou") log.info(to_text(iou_overview(table)));
  }
  log.info(fmt::format("{} samples; metrics in {}{}", done, impl_->options.output_dir,
                       impl_->pictures > 0
                           ? fmt::format(", {} pictures in {}/pictures", impl_->pictures, impl_->options.output_dir)
                           : ""));
  if (signal != 0 && done < total)
    throw Interrupted(
        signal, fmt::format("stopped by a signal after {} of {} samples; {} holds what was counted so far", done, total,
                            impl_->options.output_dir));
  return evaluator.headline();
}

}  // namespace bevgrad
