// What plain tensor code knows of the tape that autograd/ keeps: enough to refuse what would give a wrong gradient
// without a word. A plain operation (namespace ops) is not recorded; where operations are recorded and an argument
// requires a gradient, it would cut its result off from the tape, or change a recorded value, so it throws. In the body
// of a differentiable function (OpScope), in a backward rule and under a NoGradGuard it is what is wanted.
#pragma once
#include <initializer_list>
#include <string_view>

#include "tensor/tensor.h"

namespace bevgrad::tape {

/// What autograd/ hangs on a tensor begins with this.
struct Slot {
  bool requires_grad = false;
  const char* op = nullptr;  ///< the operation whose result it is; null for a leaf
};

/// This thread's place.
struct State {
  bool recording = true;     ///< what GradModeGuard switches
  int depth = 0;             ///< engine code that it is in: plain operations, OpScopes, backward rules
  const char* op = nullptr;  ///< the innermost OpScope or backward rule
};
State& state();

struct Argument {
  const char* name;
  const Tensor& tensor;
};

/// The duration of a plain operation. Throws where an argument is undefined, or requires a gradient that would get lost
/// (see above). An operation whose name ends in an underscore writes in place.
class PlainOp {
 public:
  PlainOp(std::string_view op, std::initializer_list<Argument> arguments);
  ~PlainOp();
  PlainOp(const PlainOp&) = delete;
  PlainOp& operator=(const PlainOp&) = delete;
};

/// The duration of engine code that does not look at its arguments: a backward rule.
class EngineScope {
 public:
  explicit EngineScope(const char* op);
  ~EngineScope();
  EngineScope(const EngineScope&) = delete;
  EngineScope& operator=(const EngineScope&) = delete;

 private:
  const char* previous_;
};

/// The duration of a user's code that engine code calls (the second run of a checkpointed stretch).
class UserScope {
 public:
  UserScope();
  ~UserScope();
  UserScope(const UserScope&) = delete;
  UserScope& operator=(const UserScope&) = delete;

 private:
  State previous_;
};

/// Throws where one of them is undefined: "add: a is undefined".
void check_defined(std::string_view op, std::initializer_list<Argument> arguments);

}  // namespace bevgrad::tape
