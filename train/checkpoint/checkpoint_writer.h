// Checkpoints written beside the training.
#pragma once
#include <functional>
#include <future>
#include <string>

namespace bevgrad {

/// One write at a time, on a thread of its own. All calls are from one thread.
class CheckpointWriter {
 public:
  /// Waits for the write that is under way.
  ~CheckpointWriter();

  /// Whether nothing is being written.
  bool is_idle() const;
  /// Begins a write; what `write` uses must be its own. Waits for the one before.
  void start(std::function<void()> write);
  /// Waits for the write that is under way.
  void finish();
  /// What the last write that has ended threw, "" where it succeeded; said once.
  std::string take_error();

 private:
  std::future<void> writing_;
  std::string error_;
};

}  // namespace bevgrad
