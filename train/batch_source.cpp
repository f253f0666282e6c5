#include "train/batch_source.h"

#include <algorithm>

#include "configs/validate.h"
#include "internal/data_agreement.h"
#include "train/class_balance.h"
#include "train/options/from_config.h"

namespace bevgrad {
namespace {

bool same_lists(const std::vector<ListGroup>& a, const std::vector<ListGroup>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i].name != b[i].name || a[i].lists != b[i].lists) return false;
  }
  return true;
}

/// Batches that are made ahead: two, or one where a batch's images are so large that another would cost more memory
/// than it saves time.
int batches_ahead(const config::Config& proto) {
  if (proto.feature_cache().enabled()) return 2;
  constexpr int64_t large = int64_t{100} << 20;
  int64_t bytes = 0;
  for (const config::CameraGroup& group : proto.sensors().groups())
    bytes += int64_t{3} * group.cameras_size() * group.height() * group.width();
  return bytes * proto.train().batch_size() > large ? 1 : 2;
}

}  // namespace

BatchSource::BatchSource(std::string name, std::vector<ActiveTask> tasks, std::shared_ptr<const Dataset> dataset,
                         const config::Config& proto, std::shared_ptr<const Augmentation> augmentation,
                         const std::vector<double>& repeats, int64_t num_cases, const ProcessGroup& group,
                         Device device)
    : name_(std::move(name)), tasks_(std::move(tasks)), dataset_(std::move(dataset)) {
  sampler_options_ = {.batch_size = proto.train().batch_size(),
                      .rank = group.rank(),
                      .world = group.size(),
                      .seed = proto.seed(),
                      .num_cases = num_cases,
                      .chunk_frames = proto.data().chunk_frames(),
                      .repeats = repeats};
  has_history_ = std::ranges::any_of(tasks_, &ActiveTask::uses_history);
  shuffled_ = !has_history_ || proto.feature_cache().shuffle();
  loader_ = std::make_unique<Loader>(*dataset_, make_sampler(),
                                     LoaderOptions{.workers = proto.train().num_workers(),
                                                   .ahead = batches_ahead(proto),
                                                   .sensors = !proto.feature_cache().enabled(),
                                                   .augmentation = std::move(augmentation),
                                                   .device = device});
}

std::unique_ptr<Sampler> BatchSource::make_sampler() const {
  return shuffled_ ? make_shuffled_sampler(*dataset_, sampler_options_)
                   : make_streaming_sampler(*dataset_, sampler_options_);
}

Batch BatchSource::next() {
  std::optional<Batch> batch = loader_->next();
  check(batch.has_value(), "the {} loader came to an end", name_);
  return std::move(*batch);
}

int64_t BatchSource::restore(const std::vector<int64_t>& state, int64_t batches_back) {
  const std::unique_ptr<Sampler> sampler = make_sampler();
  change_ = sampler->restore(state);
  const int64_t back = std::min(batches_back, sampler->position());
  loader_->restore(sampler->state_at(sampler->position() - back));
  return back;
}

CheckOptions check_options(const config::Config& proto, std::span<const ActiveTask> tasks, bool training) {
  CheckOptions options{.static_task = false, .dynamic_task = false, .training = training};
  for (const ActiveTask& active : tasks) active.task->add_to_check(options);
  if (std::ranges::any_of(tasks, &ActiveTask::uses_history)) options.history = configs::history_rule(proto, training);
  return options;
}

std::vector<TaskLists> lists_of_tasks(const config::Config& proto, const TaskList& tasks) {
  std::vector<TaskLists> all;
  for (const ActiveTask& active : tasks) {
    std::vector<ListGroup> lists =
        configs::train_lists(proto, [&](const config::ListGroup& list) { return active.task->takes(list); });
    const auto same = std::ranges::find_if(all, [&](const TaskLists& other) { return same_lists(other.lists, lists); });
    if (same == all.end()) {
      all.push_back({active.name, {active}, std::move(lists)});
      continue;
    }
    same->name += "+" + active.name;
    same->tasks.push_back(active);
  }
  if (all.size() == 1 && all[0].tasks.size() > 1) all[0].name = "shared";
  return all;
}

TrainData::TrainData(const configs::Document& document, const TaskList& tasks)
    : augmentation_(configs::augmentation(document)) {
  const config::Config& proto = document.proto;
  for (TaskLists& together : lists_of_tasks(proto, tasks)) {
    if (together.lists.empty())
      throw UsageError(fmt::format("{}: field \"data.train\": no list for the {} task", document.place("data.train"),
                                   together.tasks.front().name));
    auto dataset = std::make_shared<const Dataset>(configs::lmdb_list(proto), together.lists,
                                                   configs::dataset_options(proto, true));
    if (std::ranges::any_of(together.tasks, &ActiveTask::uses_history))
      configs::validate_history_reach(document, dataset->frame_period());
    if (const double jitter = proto.augmentation().timestamp_jitter();
        jitter > 0 && jitter >= dataset->frame_period() / 2)
      throw UsageError(fmt::format(
          "{}: field \"augmentation.timestamp_jitter\": {} s, expected less than half the {:.3g} s between two frames",
          document.place("augmentation.timestamp_jitter"), jitter, dataset->frame_period()));
    const bool has_history = std::ranges::any_of(together.tasks, &ActiveTask::uses_history);
    if (proto.data().balance_classes() > 0 && has_history && !proto.feature_cache().shuffle())
      throw UsageError(fmt::format(
          "{}: field \"data.balance_classes\": the {} task plays sequences in time order; feature_cache.shuffle draws "
          "single frames",
          document.place("data.balance_classes"), together.name));
    std::vector<double> repeats = balanced_repeats(*dataset, proto);
    std::vector<std::string> checked = check_briefly(*dataset, check_options(proto, together.tasks, true));
    entries_.push_back(
        {together.name, std::move(together.tasks), std::move(dataset), std::move(checked), std::move(repeats)});
  }
}

std::vector<BatchSource> TrainData::sources(const config::Config& proto, int64_t num_cases, const ProcessGroup& group,
                                            Device device) const {
  std::vector<BatchSource> sources;
  for (const Entry& entry : entries_)
    sources.emplace_back(entry.name, entry.tasks, entry.dataset, proto, augmentation_, entry.repeats, num_cases, group,
                         device);
  return sources;
}

void TrainData::require_same(ProcessGroup& group) const {
  for (const Entry& entry : entries_) require_same_data(group, entry.name, *entry.dataset);
}

std::vector<std::shared_ptr<const Dataset>> TrainData::datasets() const {
  std::vector<std::shared_ptr<const Dataset>> datasets;
  for (const Entry& entry : entries_) datasets.push_back(entry.dataset);
  return datasets;
}

std::vector<std::string> TrainData::remarks() const {
  std::vector<std::string> remarks;
  for (const Entry& entry : entries_) {
    remarks.push_back(fmt::format("{} data: {} samples in {} streams", entry.name, entry.dataset->size(),
                                  entry.dataset->streams().size()));
    const auto& more = entry.dataset->remarks();
    remarks.insert(remarks.end(), more.begin(), more.end());
    remarks.insert(remarks.end(), entry.checked.begin(), entry.checked.end());
  }
  return remarks;
}

}  // namespace bevgrad
