#include "launch/internal/scratch_folder.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>

#include <cerrno>
#include <chrono>

#include "base/error.h"

namespace bevgrad {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPrefix = "bevgrad-launch-";
constexpr std::chrono::minutes kTimeToLock{1};

void sweep(const fs::path& parent) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(parent, error)) {
    if (!entry.path().filename().string().starts_with(kPrefix) || !entry.is_directory(error)) continue;
    const Socket lock(open((entry.path() / "lock").c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    const bool is_new = fs::file_time_type::clock::now() - entry.last_write_time(error) < kTimeToLock;
    if (lock.is_open() ? flock(lock.descriptor(), LOCK_EX | LOCK_NB) != 0 : is_new) continue;
    fs::remove_all(entry.path(), error);  // another user's stays
  }
}

}  // namespace

ScratchFolder::ScratchFolder() {
  const fs::path parent = fs::temp_directory_path();
  sweep(parent);
  std::string pattern = (parent / (std::string(kPrefix) + "XXXXXX")).string();
  check(mkdtemp(pattern.data()) != nullptr, "launch: cannot make a folder in {}: {}", parent.string(),
        describe_errno(errno));
  path_ = pattern;
  lock_ = Socket(open(file("lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  check(lock_.is_open() && flock(lock_.descriptor(), LOCK_EX) == 0, "launch: cannot lock {}: {}", file("lock"),
        describe_errno(errno));
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace bevgrad
