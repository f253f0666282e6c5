// A folder for the error files of a launcher's processes.
#pragma once
#include <filesystem>
#include <string>

#include "distributed/socket.h"

namespace bevgrad {

/// Goes when it is destroyed. One whose launcher was killed is deleted by the next launcher that comes: it is held by a
/// lock, which ends with the process.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
  Socket lock_;  // any descriptor; it is closed at the end
};

}  // namespace bevgrad
