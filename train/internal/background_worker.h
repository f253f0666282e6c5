// Work done beside the caller, one task after another, on one thread of its own.
#pragma once
#include <cstddef>
#include <functional>
#include <memory>

namespace bevgrad {

/// Tasks run in the order in which they were given, so what they add up is the same as if the caller had done it. The
/// thread's own parallel regions are of one thread: beside a network that uses the whole machine, more would only get
/// in its way.
class BackgroundWorker {
 public:
  /// `most_waiting`: tasks that wait at most, and so what they hold in memory. 0: there is no thread and push() does
  /// the task itself.
  explicit BackgroundWorker(size_t most_waiting);
  /// Drops what waits and waits for the task that runs.
  ~BackgroundWorker();
  BackgroundWorker(const BackgroundWorker&) = delete;
  BackgroundWorker& operator=(const BackgroundWorker&) = delete;

  /// Waits while there is no room. Throws what an earlier task threw; after that no task runs any more.
  void push(std::function<void()> task);
  /// Waits until everything is done. Throws what a task threw.
  void finish();

  /// Seconds of work done so far, and those for which the caller has waited. To be asked after finish().
  double busy_seconds() const;
  double waited_seconds() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bevgrad
