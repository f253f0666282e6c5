#include "autograd/batch_sync.h"

#include "tensor/thread_scopes.h"

namespace bevgrad {

const BatchSync* batch_sync() {
  return thread_scopes().batch_sync;
}

BatchSyncGuard::BatchSyncGuard(const BatchSync* sync) : previous_(batch_sync()) {
  thread_scopes().batch_sync = sync;
}
BatchSyncGuard::~BatchSyncGuard() {
  thread_scopes().batch_sync = previous_;
}

}  // namespace bevgrad
