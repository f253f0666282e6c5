// Streams as queues that run late, events as marks in them, and who runs what when.
#pragma once
#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "emulation/operation.h"
#include "runtime/clock.h"

namespace bevgrad::emulation {

struct Stream;
class Capture;

/// One recording of an event: a place in a stream.
struct Mark {
  Stream* stream = nullptr;
  Clock clock;  // what is done when the mark is passed
  bool passed = false;
  std::chrono::steady_clock::time_point time;
};

/// Memory of an operation, found when it was queued.
struct Touch {
  std::shared_ptr<struct Allocation> allocation;
  uintptr_t pointer = 0;
  size_t bytes = 0;
  Mode mode = Mode::unknown;
};

struct Task {
  const char* name = "";
  std::vector<Touch> touches;
  std::function<void(const Moment&)> run;
  std::function<bool()> ready;
  /// Threads of whoever queued it. Sums of the stand-ins depend on their number, and must not depend on which thread of
  /// the host happens to run the task.
  int threads = 1;
  bool on_host = false;  // a host function: runs without the lock, and may not touch device memory
};

/// An entry of a queue: a task, a mark to pass, or a mark to wait for.
struct Entry {
  Task task;
  Moment moment;
  std::shared_ptr<Mark> passes;
  std::shared_ptr<Mark> awaits;
};

struct Stream {
  size_t number = 0;
  int device = 0;
  bool destroyed = false;
  bool running = false;  // its first entry is a host function that runs now
  std::deque<Entry> queue;
  Clock clock;  // what is done once the queue is empty
  std::shared_ptr<Capture> capture;
  std::vector<size_t> captured_last;  // nodes of the capture that the next one comes after
};

struct Event {
  int device = 0;
  bool timed = false;
  std::shared_ptr<Mark> mark;  // of the latest recording
  std::weak_ptr<Capture> capture;
  std::vector<size_t> captured_last;
  bool captured = false;
};

}  // namespace bevgrad::emulation
