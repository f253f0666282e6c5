#include "internal/nccl_run.h"

#include <thread>

#include "base/error.h"
#include "tensor/cuda_stream.h"

namespace bevgrad {

NcclRun::NcclRun(std::shared_ptr<Meeting> meeting, int device)
    : meeting_(std::move(meeting)), watch_(meeting_->make_mesh("watch")), device_(device) {
  cuda::poison(device_, nullptr);
}

int64_t NcclRun::begin(const std::string& call) {
  meeting_->set_progress(++begun_, call);
  const int64_t flight = meeting_->flight().ask("device", call, meeting_->place());
  meeting_->flight().begin(flight);
  return flight;
}

void NcclRun::check_peers(const std::string& call) {
  const std::lock_guard lock(mutex_);
  const std::vector<int> gone = watch_->hung_up();
  if (gone.empty()) return;
  const PeerLost lost(gone.front(), false, fmt::format("rank {} closed its connection", gone.front()));
  throw PeerLost(lost.peer(), false, meeting_->explain(lost, call));
}

void NcclRun::give_up(const std::string& call) {
  throw meeting_->find_missing(call);
}

void NcclRun::report_remote_error(const std::string& call, const std::string& error) {
  // The end of a process reaches NCCL and our connection at about the same time.
  for (int i = 0; i < 50; ++i) {
    check_peers(call);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  throw PeerLost(-1, false, meeting_->explain(PeerLost(-1, false, error), call));
}

std::exception_ptr NcclRun::own_error(const std::string& call, const std::string& what) {
  return std::make_exception_ptr(
      Error(fmt::format("rank {} at {}, {}: {}", meeting_->rank(), meeting_->place(), call, what)));
}

void NcclRun::fail(const std::exception_ptr& failure) {
  const std::lock_guard lock(mutex_);
  if (failure_) return;
  failure_ = failure;
  has_failed_ = true;
  cuda::poison(device_, failure_);
}

void NcclRun::check() const {
  if (!has_failed_) return;
  const std::lock_guard lock(mutex_);
  std::rethrow_exception(failure_);
}

}  // namespace bevgrad
