// What the NCCL groups of one rank share: how a lost rank is noticed, and the failure that ended them all.
#pragma once
#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <string>

#include "distributed/meeting.h"

namespace bevgrad {

class NcclRun {
 public:
  /// All ranks make theirs together. `device` is the index of this rank's.
  NcclRun(std::shared_ptr<Meeting> meeting, int device);

  int device() const { return device_; }
  Meeting& meeting() { return *meeting_; }

  /// A collective of some group is handed to the device. Returns its number in the flight record.
  int64_t begin(const std::string& call);
  /// Throws PeerLost where a rank has closed its connection: NCCL itself may not notice that (between devices of one
  /// machine nothing tells it).
  void check_peers(const std::string& call);
  /// Throws PeerLost naming who has not come within the time-out.
  [[noreturn]] void give_up(const std::string& call);
  /// Throws PeerLost for what NCCL found by itself, naming the rank where its connection shows it.
  [[noreturn]] void report_remote_error(const std::string& call, const std::string& error);
  /// An error of this rank's own, with its place.
  std::exception_ptr own_error(const std::string& call, const std::string& what);

  /// The first failure stays; from then on copies from the device throw it.
  void fail(const std::exception_ptr& failure);
  bool has_failed() const { return has_failed_; }
  /// Throws the failure, if there is one.
  void check() const;

 private:
  std::shared_ptr<Meeting> meeting_;
  /// Carries nothing: its connections end with the ranks, so that each sees the others' end at once.
  std::unique_ptr<Mesh> watch_;
  int device_;
  mutable std::mutex mutex_;
  std::atomic<bool> has_failed_ = false;
  std::exception_ptr failure_;
  std::atomic<int64_t> begun_ = 0;
};

}  // namespace bevgrad
