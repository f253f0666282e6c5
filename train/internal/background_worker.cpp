#include "internal/background_worker.h"
#include "internal/clock.h"

#include <omp.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>

namespace bevgrad {
struct BackgroundWorker::Impl {
  explicit Impl(size_t bound) : most_waiting(bound) {}

  size_t most_waiting;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::function<void()>> waiting;
  bool is_running = false;  // a task is being done
  bool stops = false;
  std::exception_ptr error;
  double busy = 0, waited = 0;
  std::thread thread;

  void work();
  void rethrow();
};

void BackgroundWorker::Impl::work() {
  omp_set_num_threads(1);
  std::unique_lock lock(mutex);
  while (true) {
    changed.wait(lock, [&] { return stops || !waiting.empty(); });
    if (stops) return;
    std::function<void()> task = std::move(waiting.front());
    waiting.pop_front();
    is_running = true;
    lock.unlock();
    changed.notify_all();
    const Clock::time_point start = Clock::now();
    std::exception_ptr thrown;
    try {
      task();
    } catch (...) {
      thrown = std::current_exception();
    }
    task = nullptr;  // what it holds goes before the caller is told
    lock.lock();
    busy += seconds_since(start);
    is_running = false;
    if (thrown) {
      error = thrown;
      waiting.clear();
    }
    changed.notify_all();
  }
}

void BackgroundWorker::Impl::rethrow() {
  if (error) std::rethrow_exception(error);
}

BackgroundWorker::BackgroundWorker(size_t most_waiting) : impl_(std::make_unique<Impl>(most_waiting)) {
  if (most_waiting > 0) impl_->thread = std::thread([impl = impl_.get()] { impl->work(); });
}

BackgroundWorker::~BackgroundWorker() {
  if (!impl_->thread.joinable()) return;
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stops = true;
  }
  impl_->changed.notify_all();
  impl_->thread.join();
}

void BackgroundWorker::push(std::function<void()> task) {
  const Clock::time_point start = Clock::now();
  if (impl_->most_waiting == 0) {
    impl_->rethrow();
    try {
      task();
    } catch (...) {
      impl_->error = std::current_exception();
      throw;
    }
    impl_->busy += seconds_since(start);
    impl_->waited += seconds_since(start);
    return;
  }
  {
    std::unique_lock lock(impl_->mutex);
    impl_->changed.wait(lock, [&] { return impl_->error || impl_->waiting.size() < impl_->most_waiting; });
    impl_->waited += seconds_since(start);
    impl_->rethrow();
    impl_->waiting.push_back(std::move(task));
  }
  impl_->changed.notify_all();
}

void BackgroundWorker::finish() {
  const Clock::time_point start = Clock::now();
  std::unique_lock lock(impl_->mutex);
  impl_->changed.wait(lock, [&] { return !impl_->is_running && impl_->waiting.empty(); });
  impl_->waited += seconds_since(start);
  impl_->rethrow();
}

double BackgroundWorker::busy_seconds() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->busy;
}

double BackgroundWorker::waited_seconds() const {
  return impl_->waited;
}

}  // namespace bevgrad
