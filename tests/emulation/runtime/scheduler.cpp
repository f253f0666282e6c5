#include "runtime/scheduler.h"

#include <array>
#include <cstring>
#include <thread>
#include <utility>

#include "runtime/fault.h"
#include "runtime/graph.h"
#include "runtime/machine.h"
#include "runtime/perform.h"

namespace bevgrad::emulation {
namespace {

// More waiting work than this, or memory that waits to be freed, and the device gets on without being asked.
constexpr size_t kMostQueued = 4096;
constexpr size_t kMostBytesToFree = size_t{256} << 20;

void push(Stream& stream, Entry entry) {
  Machine& all = machine();
  // What the host waited for before this call is done when the entry runs.
  stream.clock.join(all.host);
  if (entry.awaits) stream.clock.join(entry.awaits->clock);
  entry.moment = {stream.number, stream.clock.advance(stream.number), stream.clock};
  if (entry.passes) entry.passes->clock = stream.clock;
  for (const Touch& touch : entry.task.touches) {
    ++touch.allocation->queued;
    touch.allocation->queued_writes += touch.mode != Mode::read;
  }
  if (entry.task.ready || entry.task.on_host) keep_working();
  if (stream.queue.empty()) all.busy.push_back(&stream);
  stream.queue.push_back(std::move(entry));
  ++all.queued;
}

bool runnable(const Stream& stream) {
  if (stream.queue.empty() || stream.running) return false;
  const Entry& first = stream.queue.front();
  if (first.awaits && !first.awaits->passed) return false;
  return !first.task.ready || first.task.ready();
}

void run_first(std::unique_lock<std::mutex>& lock, OpenMemory& memory, Stream& stream) {
  Machine& all = machine();
  Entry& entry = stream.queue.front();
  if (entry.task.on_host) {
    // The function may wait for a thread that calls CUDA meanwhile.
    stream.running = true;
    memory.close();
    lock.unlock();
    entry.task.run(entry.moment);
    lock.lock();
    memory.open();
    stream.running = false;
    // Whoever the function tells knows what came before it.
    all.host.join(entry.moment.before);
  } else if (entry.task.run) {
    perform(entry.task, entry.moment);
  }
  if (entry.passes) {
    entry.passes->passed = true;
    entry.passes->time = std::chrono::steady_clock::now();
  }
  for (const Touch& touch : entry.task.touches) {
    --touch.allocation->queued;
    touch.allocation->queued_writes -= touch.mode != Mode::read;
  }
  stream.queue.pop_front();
  if (stream.queue.empty()) std::erase(all.busy, &stream);
  --all.queued;
}

// Any stream that can get on, nullptr where none can.
Stream* any_runnable() {
  Machine& all = machine();
  if (all.ended) return nullptr;
  const size_t count = all.busy.size();
  const size_t start = count ? all.random.below(count) : 0;
  for (size_t i = 0; i < count; ++i) {
    Stream* stream = all.busy[(start + i) % count];
    if (runnable(*stream)) return stream;
  }
  return nullptr;
}

void run_steps(std::unique_lock<std::mutex>& lock, size_t steps) {
  Stream* next = any_runnable();
  if (!next || steps == 0) return;
  OpenMemory memory;
  for (; next && steps > 0; next = any_runnable(), --steps) run_first(lock, memory, *next);
}

// The stream that has to get on before `stream` can, nullptr where that is out of our hands.
Stream* first_needed(Stream& stream) {
  Stream* needed = &stream;
  while (!needed->queue.empty() && needed->queue.front().awaits && !needed->queue.front().awaits->passed) {
    needed = needed->queue.front().awaits->stream;
  }
  return runnable(*needed) ? needed : nullptr;
}

}  // namespace

OpenMemory::OpenMemory() {
  open();
}

OpenMemory::~OpenMemory() {
  close();
}

void OpenMemory::open() {
  for (const auto& device : machine().devices) device->arena.open();
}

void OpenMemory::close() {
  for (const auto& device : machine().devices) device->arena.close();
}

void submit(Stream& stream, Task task) {
  if (stream.capture) {
    stream.capture->add(stream, std::move(task));
  } else {
    push(stream, {std::move(task), {}, nullptr, nullptr});
  }
}

void submit_mark(Stream& stream, std::shared_ptr<Mark> passes) {
  passes->stream = &stream;
  push(stream, {{}, {}, std::move(passes), nullptr});
}

void submit_wait(Stream& stream, std::shared_ptr<Mark> awaits) {
  push(stream, {{}, {}, nullptr, std::move(awaits)});
}

void run_until(std::unique_lock<std::mutex>& lock, Stream& needed, const std::function<bool()>& done) {
  if (done()) return;
  Machine& all = machine();
  // Either just what the host waits for, and all else later still; or anything, in any order, until that is done.
  const bool lazy = all.random.one_in(2);
  OpenMemory memory;
  while (!done() && !all.ended) {
    Stream* next = lazy ? first_needed(needed) : any_runnable();
    if (!next) next = any_runnable();
    if (next) {
      run_first(lock, memory, *next);
    } else {
      // Another process, or a host function on another thread, has to get on first.
      memory.close();
      all.changed.wait_for(lock, std::chrono::microseconds(100));
      memory.open();
    }
  }
}

void finish(std::unique_lock<std::mutex>& lock, Stream& stream) {
  const Clock reached = stream.clock;
  // Other threads may queue more meanwhile: what was there has to be done, no more.
  auto mark = std::make_shared<Mark>();
  if (!stream.queue.empty()) {
    submit_mark(stream, mark);
    run_until(lock, stream, [&] { return mark->passed; });
  }
  machine().host.join(reached);
}

void finish_device(std::unique_lock<std::mutex>& lock, int device) {
  // By number: other threads may make streams meanwhile.
  for (size_t i = 0; i < machine().streams.size(); ++i) {
    Stream& stream = *machine().streams[i];
    if (stream.device == device && !stream.capture) finish(lock, stream);
  }
}

void run_some(std::unique_lock<std::mutex>& lock) {
  run_steps(lock, machine().random.below(16));
}

void make_progress(std::unique_lock<std::mutex>& lock) {
  Machine& all = machine();
  if (all.busy.empty()) return;
  if (all.queued > kMostQueued || all.bytes_to_free > kMostBytesToFree) {
    run_steps(lock, all.queued);
  } else if (all.random.one_in(64)) {
    run_steps(lock, 1 + all.random.below(64));
  }
}

void keep_working() {
  static std::once_flag once;
  std::call_once(once, [] {
    std::thread([] {
      Machine& all = machine();
      uint64_t seen = 0;
      for (bool ended = false; !ended;) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        std::unique_lock lock(all.mutex);
        ended = all.ended;
        // Only while the host is silent: which of its calls come first must not depend on the clock.
        if (std::exchange(seen, all.calls) != all.calls || all.busy.empty()) continue;
        inside_call = true;
        run_steps(lock, 64);
        all.changed.notify_all();
      }
    }).detach();
  });
}

void end_with_main_thread() {
  struct End {
    ~End() {
      const std::lock_guard lock(machine().mutex);
      machine().ended = true;
    }
  };
  thread_local const End end;
  static_cast<void>(end);
}

}  // namespace bevgrad::emulation
