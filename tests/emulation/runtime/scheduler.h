// Runs what is queued: late, and in any order that streams and events allow.
#pragma once
#include <functional>
#include <mutex>

#include "runtime/stream.h"

namespace bevgrad::emulation {

/// Adds the task to the stream, or to the graph that it is captured into.
void submit(Stream& stream, Task task);
void submit_mark(Stream& stream, std::shared_ptr<Mark> passes);
void submit_wait(Stream& stream, std::shared_ptr<Mark> awaits);

/// Runs queued work until `done`; `needed` is the stream that has to get on for it.
void run_until(std::unique_lock<std::mutex>& lock, Stream& needed, const std::function<bool()>& done);
/// The host waits for a stream.
void finish(std::unique_lock<std::mutex>& lock, Stream& stream);
/// The host waits for all streams of a device.
void finish_device(std::unique_lock<std::mutex>& lock, int device);
/// The host asks whether something is done: a little runs.
void run_some(std::unique_lock<std::mutex>& lock);
/// Some time passes: perhaps something runs.
void make_progress(std::unique_lock<std::mutex>& lock);
/// Something waits that no call of this thread may ever wait for (a host function, another process): from now on the
/// device also works while no host thread calls it.
void keep_working();
/// Called by the main thread: when its objects go at the end of the process, and before anything static does (oneDNN's
/// code among it, which what is queued may run), the devices stop. What is queued then is never done.
void end_with_main_thread();

/// Opens the memory of all devices for a scope.
class OpenMemory {
 public:
  OpenMemory();
  ~OpenMemory();
  OpenMemory(const OpenMemory&) = delete;
  OpenMemory& operator=(const OpenMemory&) = delete;

  void open();
  void close();
};

}  // namespace bevgrad::emulation
