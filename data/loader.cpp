#include "data/loader.h"

#include <omp.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>

#include "data/record.h"

namespace bevgrad {

namespace {

/// A batch in the making. Slots are claimed one by one; whoever finishes the last one puts the batch together.
struct Work {
  std::vector<Draw> draws;
  std::vector<Sample> samples;
  std::vector<EgoChange> ego_changes;      // per slot
  std::vector<std::exception_ptr> errors;  // per slot
  size_t claimed = 0;
  size_t finished = 0;
  bool done = false;
  Batch batch;
  std::exception_ptr error;
};

Batch put_together(Work& work, const DatasetOptions& options, Device device) {
  for (const std::exception_ptr& error : work.errors)
    if (error) std::rethrow_exception(error);
  std::vector<bool> starts;
  for (const Draw& draw : work.draws) starts.push_back(draw.starts);
  Batch batch = collate(work.samples, starts, options);
  for (const Draw& draw : work.draws) batch.entries.push_back(draw.entry);
  batch.ego_changes = std::move(work.ego_changes);
  if (!device.is_cpu()) batch.on_device = std::make_shared<BatchCopies>(batch, device);
  return batch;
}

}  // namespace

struct Loader::Impl {
  const Dataset& dataset;
  std::unique_ptr<Sampler> sampler;
  LoaderOptions options;
  DatasetOptions read;  // how samples are read

  mutable std::mutex mutex;
  std::condition_variable work_appeared, batch_done;
  std::deque<std::shared_ptr<Work>> queue;  // oldest first
  bool at_end = false;
  bool stopping = false;
  int64_t delivered = 0;
  double waited = 0;
  std::vector<std::thread> workers;

  Impl(const Dataset& data, std::unique_ptr<Sampler> order, const LoaderOptions& how)
      : dataset(data), sampler(std::move(order)), options(how), read(data.options()), delivered(sampler->position()) {
    read.pinned = !options.device.is_cpu();
    if (options.sensors) return;
    read.load_images = false;
    read.load_points = false;
  }

  /// Draws until enough batches are under way. Called with the mutex held.
  void refill() {
    bool added = false;
    while (!at_end && queue.size() < static_cast<size_t>(options.ahead)) {
      auto draws = sampler->next();
      if (!draws) {
        at_end = true;
        break;
      }
      auto work = std::make_shared<Work>();
      work->draws = std::move(*draws);
      work->samples.resize(work->draws.size());
      work->ego_changes.resize(work->draws.size());
      work->errors.resize(work->draws.size());
      queue.push_back(std::move(work));
      added = true;
    }
    if (added) work_appeared.notify_all();
  }

  /// The oldest batch with an unclaimed slot, or null. Called with the mutex held.
  std::shared_ptr<Work> claimable() const {
    for (const auto& work : queue)
      if (work->claimed < work->draws.size()) return work;
    return nullptr;
  }

  void run_worker() {
    omp_set_num_threads(1);  // of this worker: a team of its own each would crowd the trainer out
    std::unique_lock lock(mutex);
    for (;;) {
      std::shared_ptr<Work> work;
      work_appeared.wait(lock, [&] { return stopping || (work = claimable()) != nullptr; });
      if (stopping) return;
      make_slot(*work, work->claimed++, lock);
    }
  }

  /// Loads one sample with the mutex released; the last slot's maker puts the batch together.
  void make_slot(Work& work, size_t slot, std::unique_lock<std::mutex>& lock) {
    lock.unlock();
    try {
      const Draw& draw = work.draws[slot];
      work.samples[slot] = dataset.load(draw.entry, read);
      if (options.augmentation)
        work.ego_changes[slot] = options.augmentation->apply(work.samples[slot], draw.entry, draw.epoch);
      if (options.augmentation && read.ignore_never_seen) ignore_never_seen(work.samples[slot].labels);
    } catch (...) {
      work.errors[slot] = std::current_exception();
    }
    lock.lock();
    if (++work.finished < work.draws.size()) return;
    lock.unlock();
    Batch batch;
    std::exception_ptr error;
    try {
      batch = put_together(work, read, options.device);
    } catch (...) {
      error = std::current_exception();
    }
    work.samples.clear();
    lock.lock();
    work.batch = std::move(batch);
    work.error = error;
    work.done = true;
    batch_done.notify_all();
  }

  void start() {
    stopping = false;
    std::unique_lock lock(mutex);
    refill();
    for (int i = 0; i < options.workers; ++i) workers.emplace_back([this] { run_worker(); });
  }

  void stop() {
    {
      std::unique_lock lock(mutex);
      stopping = true;
    }
    work_appeared.notify_all();
    for (std::thread& worker : workers) worker.join();
    workers.clear();
    queue.clear();
  }

  std::shared_ptr<Work> take() {
    std::unique_lock lock(mutex);
    refill();
    if (queue.empty()) return nullptr;
    std::shared_ptr<Work> work = queue.front();
    auto begin = std::chrono::steady_clock::now();
    if (options.workers == 0)
      while (!work->done) make_slot(*work, work->claimed++, lock);
    batch_done.wait(lock, [&] { return work->done; });
    waited += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    queue.pop_front();
    ++delivered;
    refill();
    return work;
  }
};

Loader::Loader(const Dataset& dataset, std::unique_ptr<Sampler> sampler, const LoaderOptions& options) {
  check(sampler != nullptr, "loader: no sampler");
  check(options.workers >= 0 && options.ahead >= 1,
        "loader: {} workers and {} batches ahead, expected 0 and 1 at least", options.workers, options.ahead);
  impl_ = std::make_unique<Impl>(dataset, std::move(sampler), options);
  impl_->start();
}

Loader::~Loader() {
  impl_->stop();
}

std::optional<Batch> Loader::next() {
  std::shared_ptr<Work> work = impl_->take();
  if (!work) return std::nullopt;
  if (work->error) std::rethrow_exception(work->error);
  return std::move(work->batch);
}

std::vector<int64_t> Loader::state() const {
  std::unique_lock lock(impl_->mutex);
  return impl_->sampler->state_at(impl_->delivered);
}

void Loader::restore(std::span<const int64_t> state) {
  impl_->stop();
  impl_->at_end = false;
  impl_->sampler->restore(state);
  impl_->delivered = impl_->sampler->position();
  impl_->start();
}

int64_t Loader::cases() const {
  return impl_->sampler->cases();
}

double Loader::waited() const {
  std::unique_lock lock(impl_->mutex);
  return impl_->waited;
}

}  // namespace bevgrad
