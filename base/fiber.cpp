#include "base/fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

namespace bevgrad {
namespace {

// As much as a main thread has; only what is used takes memory.
constexpr size_t kStackBytes = size_t{8} << 20;

thread_local Fiber* running = nullptr;

/// Thrown by pause() when the work is left.
struct Left {};

}  // namespace

Fiber::Fiber(std::function<void()> work) : work_(std::move(work)) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  bytes_ = page + kStackBytes;
  memory_ =
      mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  check(memory_ != MAP_FAILED, "no memory for a stack of {} bytes: {}", bytes_, std::strerror(errno));
  mprotect(memory_, page, PROT_NONE);
  getcontext(&inside_);
  inside_.uc_stack.ss_sp = static_cast<char*>(memory_) + page;
  inside_.uc_stack.ss_size = kStackBytes;
  makecontext(&inside_, &Fiber::enter, 0);
#ifdef __SANITIZE_THREAD__
  thread_ = __tsan_create_fiber(0);
#endif
}

Fiber::~Fiber() {
  if (has_begun_ && !has_ended_) {
    is_left_ = true;
    switch_in();
  }
#ifdef __SANITIZE_THREAD__
  __tsan_destroy_fiber(thread_);
#endif
#ifdef __SANITIZE_ADDRESS__
  // enter() never returns: what is marked of its frame must not be found by whoever gets the address next.
  __asan_unpoison_memory_region(memory_, bytes_);
#endif
  munmap(memory_, bytes_);
}

bool Fiber::resume() {
  check(!has_ended_, "a fiber that has ended was resumed");
  has_begun_ = true;
  switch_in();
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  return !has_ended_;
}

void Fiber::pause() {
  check(running != nullptr, "pause outside of a fiber");
  Fiber& fiber = *running;
  // Work that is being left may come to another pause on its way out.
  if (!fiber.is_left_) fiber.switch_out();
  if (fiber.is_left_) throw Left();
}

void Fiber::enter() {
  Fiber& fiber = *running;
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(nullptr, &fiber.outside_bottom_, &fiber.outside_bytes_);
#endif
  try {
    fiber.work_();
  } catch (const Left&) {
    // By ~Fiber.
  } catch (...) {
    fiber.error_ = std::current_exception();
  }
  fiber.has_ended_ = true;
  fiber.switch_out();
}

void Fiber::switch_in() {
  around_ = std::exchange(running, this);
#ifdef __SANITIZE_ADDRESS__
  void* fake_stack = nullptr;
  __sanitizer_start_switch_fiber(&fake_stack, inside_.uc_stack.ss_sp, inside_.uc_stack.ss_size);
#endif
#ifdef __SANITIZE_THREAD__
  thread_outside_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(thread_, 0);
#endif
  swapcontext(&outside_, &inside_);
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#endif
  running = around_;
}

void Fiber::switch_out() {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(has_ended_ ? nullptr : &fake_stack_, outside_bottom_, outside_bytes_);
#endif
#ifdef __SANITIZE_THREAD__
  __tsan_switch_to_fiber(thread_outside_, 0);
#endif
  swapcontext(&inside_, &outside_);
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(fake_stack_, &outside_bottom_, &outside_bytes_);
#endif
}

}  // namespace bevgrad
