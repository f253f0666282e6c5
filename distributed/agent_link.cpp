#include "distributed/agent_link.h"

#include <unistd.h>

#include "base/error.h"

namespace bevgrad {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kBeat{1000};
constexpr milliseconds kCall{5000};

}  // namespace

std::string saved_step_key(const std::string& run_id) {
  return fmt::format("/bevgrad/{}/saved", run_id);
}

AgentLink::AgentLink(const RankEnvironment& environment, const std::string& what, milliseconds timeout,
                     milliseconds patience, std::function<void()> on_lost)
    : at_{environment.master_addr, environment.master_port},
      begun_key_(fmt::format("/bevgrad/{}/begun/{}", environment.run_id, what)),
      saved_key_(saved_step_key(environment.run_id)),
      patience_(patience),
      on_lost_(std::move(on_lost)),
      parent_(getppid()),
      store_(std::make_unique<StoreClient>(at_, timeout, kCall)) {
  has_begun_before_ = store_->has(begun_key_);
  thread_ = std::thread([this] { watch(); });
}

AgentLink::~AgentLink() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void AgentLink::tell(const std::string& key, const std::string& value) {
  const std::lock_guard lock(mutex_);
  try {
    if (store_) store_->set(key, value);
  } catch (const Error&) {
    store_.reset();  // the watch notices
  }
}

void AgentLink::watch() {
  std::unique_lock lock(mutex_);
  auto heard = Clock::now();
  while (!stop_) {
    try {
      if (!store_) {
        lock.unlock();
        auto again = std::make_unique<StoreClient>(at_, kBeat, kCall);
        lock.lock();
        store_ = std::move(again);
      }
      store_->has(begun_key_);
      heard = Clock::now();
    } catch (const Error&) {
      if (!lock.owns_lock()) lock.lock();
      store_.reset();
    }
    if (!stop_ && (getppid() != parent_ || Clock::now() - heard > patience_)) {
      lock.unlock();
      on_lost_();
      return;
    }
    wake_.wait_for(lock, kBeat, [this] { return stop_; });
  }
}

}  // namespace bevgrad
