#include "train/work_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <regex>
#include <thread>
#include <utility>

#include "base/error.h"
#include "internal/clock.h"

namespace bevgrad {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kPatience{5};
constexpr std::chrono::hours kLeftOver{1};

std::string first_line(int descriptor) {
  char text[512];
  const ssize_t got = pread(descriptor, text, sizeof(text), 0);
  const std::string all(text, static_cast<size_t>(std::max<ssize_t>(0, got)));
  return all.substr(0, all.find('\n'));
}

}  // namespace

WorkLock::WorkLock(const std::string& folder) {
  const std::string path = folder + "/lock";
  descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor_ < 0) throw UsageError(fmt::format("{}: cannot write here: {}", path, std::strerror(errno)));
  const auto give_up = Clock::now() + kPatience;
  while (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return;
    if (Clock::now() > give_up) {
      const std::string holder = first_line(descriptor_);
      ::close(std::exchange(descriptor_, -1));
      throw UsageError(fmt::format("{}: another run works in this folder: {} (choose another --work-dir, or wait)",
                                   folder, holder.empty() ? "of an unknown process" : holder));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  char host[256] = "?";
  gethostname(host, sizeof(host) - 1);
  const std::string holder = fmt::format("process {} on {}\n", getpid(), host);
  if (ftruncate(descriptor_, 0) == 0) {
    [[maybe_unused]] const ssize_t written = pwrite(descriptor_, holder.data(), holder.size(), 0);  // for people alone
  }
}

WorkLock::~WorkLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

WorkLock::WorkLock(WorkLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

WorkLock& WorkLock::operator=(WorkLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

std::string lock_holder(const std::string& folder) {
  const int descriptor = ::open((folder + "/lock").c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return "";
  std::string holder;
  if (::flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK) holder = first_line(descriptor);
  ::close(descriptor);
  return holder;
}

bool is_leftover(const std::string& name) {
  static const std::regex pattern(R"(.*\.tmp-[0-9]+-[0-9]+)");
  return std::regex_match(name, pattern);
}

size_t sweep_leftovers(const std::string& folder) {
  static const std::regex checkpoint(R"(.*\.(h5|ckpt)\.tmp-[0-9]+-[0-9]+)");
  size_t freed = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (!is_leftover(name) || !entry.is_regular_file(error)) continue;
    const auto age = fs::file_time_type::clock::now() - entry.last_write_time(error);
    // Others than the training write here too: a validation, a report.
    if (!std::regex_match(name, checkpoint) && age < kLeftOver) continue;
    const size_t bytes = entry.file_size(error);
    if (fs::remove(entry.path(), error)) freed += bytes;
  }
  return freed;
}

}  // namespace bevgrad
