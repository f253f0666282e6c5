#include "autograd/batch_sync.h"

namespace bevgrad {
namespace {

thread_local const BatchSync* current = nullptr;

}  // namespace

const BatchSync* batch_sync() {
  return current;
}

BatchSyncGuard::BatchSyncGuard(const BatchSync* sync) : previous_(current) {
  current = sync;
}
BatchSyncGuard::~BatchSyncGuard() {
  current = previous_;
}

}  // namespace bevgrad
