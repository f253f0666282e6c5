// The calls of nccl.h.
#include <nccl.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "nccl/clique.h"
#include "nccl/communicator.h"
#include "nccl/reduce.h"
#include "runtime/fault.h"

namespace bevgrad::emulation::nccl {
namespace {

/// Handles are numbers that are never used twice, so that an old one is recognised.
struct Registry {
  std::mutex mutex;
  uintptr_t next = 0x4e43434c00000001;  // no address
  std::map<ncclComm_t, std::shared_ptr<Communicator>> open;
  std::map<ncclComm_t, const char*> closed;  // by which call
};

Registry& registry() {
  static Registry& all = *new Registry;  // objects in static storage may still call
  return all;
}

std::shared_ptr<Communicator> find(ncclComm_t handle, const char* call) {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  if (const auto found = all.open.find(handle); found != all.open.end()) return found->second;
  if (const auto closed = all.closed.find(handle); closed != all.closed.end())
    fault("{}: the communicator is used after {}", call, closed->second);
  fault("{}: {} is no communicator", call, static_cast<const void*>(handle));
}

void close(ncclComm_t handle, const char* call) {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  all.open.erase(handle);
  all.closed[handle] = call;
}

struct Group {
  int depth = 0;
  std::vector<std::pair<std::shared_ptr<Communicator>, Work>> works;
};
thread_local Group group;

ncclResult_t start(const std::shared_ptr<Communicator>& communicator, Work work) {
  if (group.depth > 0) {
    group.works.emplace_back(communicator, std::move(work));
    return ncclSuccess;
  }
  std::vector<Work> works;
  works.push_back(std::move(work));
  return communicator->start(std::move(works));
}

/// Opens every call that puts work on a stream.
std::shared_ptr<Communicator> open_call(const char* call, ncclComm_t handle, ncclDataType_t type, cudaStream_t stream) {
  std::shared_ptr<Communicator> communicator = find(handle, call);
  communicator->require_idle(call);
  if (size_of(type) == 0) fault("{}: data type {} is not offered", call, static_cast<int>(type));
  if (device_of(stream) != communicator->device())
    fault("{}: the stream is of device {}, the communicator of device {}", call, device_of(stream),
          communicator->device());
  return communicator;
}

void require_memory(const char* call, const char* what, const void* pointer, size_t bytes,
                    const Communicator& communicator) {
  if (bytes == 0) return;
  if (device_of(pointer) < 0) fault("{}: {} is no device memory", call, what);
  if (device_of(pointer) != communicator.device())
    fault("{}: {} lies on device {}, the communicator's is {}", call, what, device_of(pointer), communicator.device());
  if (bytes_behind(pointer) < bytes)
    fault("{}: {} has {} bytes, {} are needed", call, what, bytes_behind(pointer), bytes);
}

void require_operation(const char* call, ncclRedOp_t op) {
  if (op != ncclSum && op != ncclMax && op != ncclAvg)
    fault("{}: reduction {} is not offered", call, static_cast<int>(op));
}

void require_peer(const char* call, int peer, const Communicator& communicator) {
  if (peer < 0 || peer >= communicator.size()) fault("{}: there is no rank {} of {}", call, peer, communicator.size());
}

Description describe(const char* call, size_t count, ncclDataType_t type, int op = -1, int root = -1) {
  Description description;
  std::strncpy(description.call, call, sizeof(description.call) - 1);
  description.count = count;
  description.type = type;
  description.op = op;
  description.root = root;
  return description;
}

}  // namespace
}  // namespace bevgrad::emulation::nccl

using namespace bevgrad::emulation;
using namespace bevgrad::emulation::nccl;

ncclResult_t ncclGetVersion(int* version) {
  *version = NCCL_VERSION_CODE;
  return ncclSuccess;
}

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  const std::string name = Clique::found();
  std::memset(id->internal, 0, sizeof(id->internal));
  name.copy(id->internal, sizeof(id->internal) - 1);
  return ncclSuccess;
}

const char* ncclGetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclSuccess:
      return "no error";
    case ncclUnhandledCudaError:
      return "unhandled cuda error";
    case ncclSystemError:
      return "unhandled system error";
    case ncclInternalError:
      return "internal error";
    case ncclInvalidArgument:
      return "invalid argument";
    case ncclInvalidUsage:
      return "invalid usage";
    case ncclRemoteError:
      return "remote process exited or there was a network error";
    case ncclInProgress:
      return "NCCL operation in progress";
  }
  return "unknown result code";
}

const char* ncclGetLastError(ncclComm_t handle) {
  thread_local std::string text;
  text = handle ? find(handle, "ncclGetLastError")->last_error() : "";
  return text.c_str();
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* handle, int ranks, ncclUniqueId id, int rank, ncclConfig_t* config) {
  const char* call = "ncclCommInitRankConfig";
  *handle = nullptr;
  if (config->magic != 0xcafebeef || config->size != sizeof(ncclConfig_t) || config->version != NCCL_VERSION_CODE)
    fault("{}: the config was not made by NCCL_CONFIG_INITIALIZER", call);
  if (config->blocking != 0) fault("{}: only communicators that do not block (config.blocking = 0) are offered", call);
  const char* blocking = std::getenv("NCCL_COMM_BLOCKING");
  if (blocking && std::strcmp(blocking, "1") == 0) fault("{}: NCCL_COMM_BLOCKING goes before the config", call);
  if (ranks < 1 || ranks > kMostRanks || rank < 0 || rank >= ranks)
    fault("{}: rank {} of {}, at most {} are offered", call, rank, ranks, kMostRanks);
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess) return ncclUnhandledCudaError;
  if (id.internal[sizeof(id.internal) - 1] != 0) fault("{}: this is no unique id", call);
  auto communicator = std::make_shared<Communicator>(id.internal, rank, ranks);
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  *handle = reinterpret_cast<ncclComm_t>(all.next++);
  all.open[*handle] = std::move(communicator);
  return ncclInProgress;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t handle, ncclResult_t* error) {
  *error = find(handle, "ncclCommGetAsyncError")->asynchronous_error();
  return ncclSuccess;
}

ncclResult_t ncclCommFinalize(ncclComm_t handle) {
  const auto communicator = find(handle, "ncclCommFinalize");
  communicator->require_idle("ncclCommFinalize");
  return communicator->finalize();
}

ncclResult_t ncclCommDestroy(ncclComm_t handle) {
  const auto communicator = find(handle, "ncclCommDestroy");
  if (!communicator->is_finalized() || communicator->asynchronous_error() == ncclInProgress)
    fault("ncclCommDestroy: what is still under way would be lost: call ncclCommFinalize, and wait for its end");
  close(handle, "ncclCommDestroy");
  return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t handle) {
  find(handle, "ncclCommAbort")->abort();
  close(handle, "ncclCommAbort");
  return ncclSuccess;
}

ncclResult_t ncclAllReduce(const void* from, void* to, size_t count, ncclDataType_t type, ncclRedOp_t op,
                           ncclComm_t handle, cudaStream_t stream) {
  const char* call = "ncclAllReduce";
  const auto communicator = open_call(call, handle, type, stream);
  require_operation(call, op);
  const size_t bytes = count * size_of(type);
  require_memory(call, "the input", from, bytes, *communicator);
  require_memory(call, "the output", to, bytes, *communicator);
  return start(communicator, communicator->collective(describe(call, count, type, op), from, bytes, to, bytes, stream));
}

ncclResult_t ncclBroadcast(const void* from, void* to, size_t count, ncclDataType_t type, int root, ncclComm_t handle,
                           cudaStream_t stream) {
  const char* call = "ncclBroadcast";
  const auto communicator = open_call(call, handle, type, stream);
  require_peer(call, root, *communicator);
  const size_t bytes = count * size_of(type);
  const size_t given = communicator->rank() == root ? bytes : 0;
  require_memory(call, "the input", from, given, *communicator);
  require_memory(call, "the output", to, bytes, *communicator);
  return start(communicator,
               communicator->collective(describe(call, count, type, -1, root), from, given, to, bytes, stream));
}

ncclResult_t ncclAllGather(const void* from, void* to, size_t count, ncclDataType_t type, ncclComm_t handle,
                           cudaStream_t stream) {
  const char* call = "ncclAllGather";
  const auto communicator = open_call(call, handle, type, stream);
  const size_t bytes = count * size_of(type), all = bytes * static_cast<size_t>(communicator->size());
  require_memory(call, "the input", from, bytes, *communicator);
  require_memory(call, "the output", to, all, *communicator);
  return start(communicator, communicator->collective(describe(call, count, type), from, bytes, to, all, stream));
}

ncclResult_t ncclReduceScatter(const void* from, void* to, size_t count, ncclDataType_t type, ncclRedOp_t op,
                               ncclComm_t handle, cudaStream_t stream) {
  const char* call = "ncclReduceScatter";
  const auto communicator = open_call(call, handle, type, stream);
  require_operation(call, op);
  const size_t bytes = count * size_of(type), all = bytes * static_cast<size_t>(communicator->size());
  require_memory(call, "the input", from, all, *communicator);
  require_memory(call, "the output", to, bytes, *communicator);
  return start(communicator, communicator->collective(describe(call, count, type, op), from, all, to, bytes, stream));
}

ncclResult_t ncclSend(const void* from, size_t count, ncclDataType_t type, int peer, ncclComm_t handle,
                      cudaStream_t stream) {
  const auto communicator = open_call("ncclSend", handle, type, stream);
  require_peer("ncclSend", peer, *communicator);
  const size_t bytes = count * size_of(type);
  require_memory("ncclSend", "the message", from, bytes, *communicator);
  return start(communicator, communicator->send(describe("a message", count, type), from, bytes, peer, stream));
}

ncclResult_t ncclRecv(void* to, size_t count, ncclDataType_t type, int peer, ncclComm_t handle, cudaStream_t stream) {
  const auto communicator = open_call("ncclRecv", handle, type, stream);
  require_peer("ncclRecv", peer, *communicator);
  const size_t bytes = count * size_of(type);
  require_memory("ncclRecv", "the message", to, bytes, *communicator);
  return start(communicator, communicator->receive(describe("a message", count, type), to, bytes, peer, stream));
}

ncclResult_t ncclGroupStart() {
  ++group.depth;
  return ncclSuccess;
}

ncclResult_t ncclGroupEnd() {
  if (group.depth == 0) fault("ncclGroupEnd: there was no ncclGroupStart");
  if (--group.depth > 0) return ncclSuccess;
  auto works = std::exchange(group.works, {});
  if (works.empty()) return ncclSuccess;
  const std::shared_ptr<Communicator> communicator = works.front().first;
  std::vector<Work> own;
  for (auto& [other, work] : works) {
    if (other != communicator) fault("ncclGroupEnd: a group with calls of several communicators is not offered");
    own.push_back(std::move(work));
  }
  return communicator->start(std::move(own));
}
