// One training at a time in a work folder.
#pragma once
#include <string>

namespace bevgrad {

/// Holds FOLDER/lock, which names its holder, until it is destroyed or the process ends. On a file system without locks
/// it holds nothing.
class WorkLock {
 public:
  WorkLock() = default;
  /// Waits some seconds for a run that is about to end. Throws UsageError naming the holder.
  explicit WorkLock(const std::string& folder);
  ~WorkLock();
  WorkLock(WorkLock&& other) noexcept;
  WorkLock& operator=(WorkLock&& other) noexcept;

 private:
  int descriptor_ = -1;
};

/// Who holds the lock of a work folder: "process 17 on host"; "" where nobody does.
std::string lock_holder(const std::string& folder);

/// Whether a file's name is that of one which was being written: "NAME.tmp-<process>-<number>".
bool is_leftover(const std::string& name);

/// Deletes what writers that were killed have left in a folder: those of checkpoints, and
/// others that have not been written to for an hour. Only the lock's holder may call it. Returns their bytes.
size_t sweep_leftovers(const std::string& folder);

}  // namespace bevgrad
