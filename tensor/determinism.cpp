#include "tensor/determinism.h"

#include <atomic>

namespace bevgrad {
namespace {

std::atomic<bool> deterministic_only{true};
std::atomic<bool> tf32_allowed{false};

}  // namespace

void set_deterministic(bool on) {
  deterministic_only = on;
}
bool deterministic() {
  return deterministic_only;
}
void set_allow_tf32(bool on) {
  tf32_allowed = on;
}
bool allow_tf32() {
  return tf32_allowed;
}

}  // namespace bevgrad
