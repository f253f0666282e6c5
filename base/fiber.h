// Work that stops in the midst and goes on later, on the thread that it began on.
#pragma once
#include <ucontext.h>

#include <cstddef>
#include <exception>
#include <functional>

namespace bevgrad {

/// A function with a stack of its own. resume() runs it until it ends or calls pause(), and the next resume() goes on
/// from there. All on one thread, and pause() not from within a catch block. Nothing of the thread changes hands with
/// it: thread-local variables are the same inside and outside.
class Fiber {
 public:
  explicit Fiber(std::function<void()> work);
  /// Work that has not ended is left by an exception from its pause().
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Whether there is more to do. Throws what the work throws.
  bool resume();
  /// From the work back to the resume() that runs it.
  static void pause();

 private:
  static void enter();
  void switch_in();
  void switch_out();

  std::function<void()> work_;
  void* memory_ = nullptr;  // the stack, behind a page that nobody may touch
  size_t bytes_ = 0;
  ucontext_t inside_{}, outside_{};
  Fiber* around_ = nullptr;  // the fiber whose work resumes this one
  std::exception_ptr error_;
  bool has_begun_ = false, has_ended_ = false, is_left_ = false;
  // What sanitizers know of the two stacks.
  void *fake_stack_ = nullptr, *thread_ = nullptr, *thread_outside_ = nullptr;
  const void* outside_bottom_ = nullptr;
  size_t outside_bytes_ = 0;
};

}  // namespace bevgrad
