#include "autograd/batch_sync.h"

namespace bevgrad {
namespace {

thread_local const BatchSync* current_sync = nullptr;

}  // namespace

const BatchSync* batch_sync() {
  return current_sync;
}

BatchSyncGuard::BatchSyncGuard(const BatchSync* sync) : previous_(current_sync) {
  current_sync = sync;
}
BatchSyncGuard::~BatchSyncGuard() {
  current_sync = previous_;
}

}  // namespace bevgrad
