// What guards have set on this thread for a scope, in one place, so that a thread can leave one piece of work in the
// midst of its scopes and go on with another that has its own (autograd/branches.h).
#pragma once
#include "tensor/dtype.h"
#include "tensor/tape.h"

namespace bevgrad {

struct BatchSync;
class ModuleScope;
struct RecomputePlan;

namespace tape {
class LeafList;
struct Notes;
}  // namespace tape

struct ThreadScopes {
  tape::State tape;
  tape::LeafList* leaves = nullptr;       ///< tensor/leaf_list.h
  const void* profiled_module = nullptr;  ///< tensor/profile.h
  DType autocast = DType::Float32;        ///< autograd/autocast.h
  const BatchSync* batch_sync = nullptr;  ///< autograd/batch_sync.h
  tape::Notes* notes = nullptr;           ///< autograd/checkpoint.h
  const ModuleScope* module = nullptr;    ///< nn/module_scope.h
  const RecomputePlan* plan = nullptr;    ///< nn/recomputable.h
};

/// This thread's.
ThreadScopes& thread_scopes();

}  // namespace bevgrad
