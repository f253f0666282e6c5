#include "distributed/nccl_communicator.h"

#include <sys/statvfs.h>

#include <chrono>
#include <thread>
#include <utility>

#include "base/error.h"

namespace bevgrad {
namespace {

const char* name_of(ncclResult_t result) {
  switch (result) {
    case ncclUnhandledCudaError:
      return "ncclUnhandledCudaError";
    case ncclSystemError:
      return "ncclSystemError";
    case ncclInternalError:
      return "ncclInternalError";
    case ncclInvalidArgument:
      return "ncclInvalidArgument";
    case ncclInvalidUsage:
      return "ncclInvalidUsage";
    case ncclRemoteError:
      return "ncclRemoteError";
    case ncclInProgress:
      return "ncclInProgress";
    default:
      return "an NCCL error";
  }
}

// Ranks of one machine meet there, and a container has little of it unless it is asked for.
std::string shared_memory() {
  struct statvfs found {};
  const std::string size = statvfs("/dev/shm", &found) != 0
                               ? "cannot be used"
                               : fmt::format("has {} MB free", found.f_bavail * found.f_frsize / 1000000);
  return fmt::format(
      "; /dev/shm {}: NCCL wants some there for every rank; a container gets more with --shm-size=1g or "
      "--ipc=host",
      size);
}

}  // namespace

std::string describe_nccl(ncclResult_t result, ncclComm_t communicator) {
  std::string text = fmt::format("{}: {}", name_of(result), ncclGetErrorString(result));
  std::string last = ncclGetLastError(communicator);
  // One line, whatever the library puts into it.
  for (char& c : last)
    if (c == '\n') c = ' ';
  last.erase(last.find_last_not_of(' ') + 1);
  if (!last.empty()) text += "; " + last;
  if (result == ncclSystemError) text += shared_memory();
  return text;
}

void check_nccl(ncclResult_t result, const char* call, ncclComm_t communicator) {
  if (result != ncclSuccess) fail("{}: {}", call, describe_nccl(result, communicator));
}

NcclCommunicator::NcclCommunicator(const ncclUniqueId& id, int rank, int size, const Patience& patience) {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  const ncclResult_t result = ncclCommInitRankConfig(&communicator_, size, id, rank, &config);
  try {
    settle("ncclCommInitRankConfig", result, patience);
  } catch (...) {
    abort();
    throw;
  }
}

NcclCommunicator::~NcclCommunicator() {
  abort();
}

ncclResult_t NcclCommunicator::state() {
  const std::lock_guard lock(mutex_);
  check(communicator_ != nullptr, "the communicator is closed");
  ncclResult_t result = ncclSuccess;
  const ncclResult_t asked = ncclCommGetAsyncError(communicator_, &result);
  return asked == ncclSuccess ? result : asked;
}

void NcclCommunicator::settle(const char* name, ncclResult_t result, const Patience& patience) {
  auto pause = std::chrono::microseconds(20);
  while (result == ncclInProgress) {
    patience();
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, std::chrono::microseconds(2000));
    result = state();
  }
  const std::lock_guard lock(mutex_);
  check_nccl(result, name, communicator_);
}

void NcclCommunicator::run(const char* name, const Call& call, const Patience& patience) {
  ncclResult_t result;
  {
    const std::lock_guard lock(mutex_);
    check(communicator_ != nullptr, "{}: the communicator is closed", name);
    result = call(communicator_);
  }
  settle(name, result, patience);
}

std::string NcclCommunicator::asynchronous_error() {
  const std::lock_guard lock(mutex_);
  ncclResult_t result = ncclSuccess;
  if (!communicator_) return "";
  const ncclResult_t asked = ncclCommGetAsyncError(communicator_, &result);
  if (asked != ncclSuccess) result = asked;
  return result == ncclSuccess || result == ncclInProgress ? "" : describe_nccl(result, communicator_);
}

bool NcclCommunicator::lost_a_rank() {
  const std::lock_guard lock(mutex_);
  ncclResult_t result = ncclSuccess;
  return communicator_ && ncclCommGetAsyncError(communicator_, &result) == ncclSuccess && result == ncclRemoteError;
}

void NcclCommunicator::close(const Patience& patience) {
  run(
      "ncclCommFinalize", [](ncclComm_t communicator) { return ncclCommFinalize(communicator); }, patience);
  const std::lock_guard lock(mutex_);
  if (communicator_) check_nccl(ncclCommDestroy(std::exchange(communicator_, nullptr)), "ncclCommDestroy");
}

void NcclCommunicator::abort() {
  const std::lock_guard lock(mutex_);
  // Whoever aborts has a better reason to tell than what this returns.
  if (communicator_) static_cast<void>(ncclCommAbort(std::exchange(communicator_, nullptr)));
}

}  // namespace bevgrad
