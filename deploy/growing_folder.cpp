#include "internal/growing_folder.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/error.h"

namespace bevgrad {
namespace {

// Readings take at most one part in so many of the time; where notices come they are a second apart at least.
constexpr int kShare = 20;
constexpr auto kBetweenReadings = std::chrono::seconds(1);

}  // namespace

GrowingFolder::GrowingFolder(const std::string& folder)
    : folder_(folder), notices_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
  if (!std::filesystem::is_directory(folder_)) {
    ::close(notices_);
    throw UsageError(
        fmt::format("--stream {}: it is no folder (\"-\" is the standard input, unix:PATH a socket)", folder));
  }
  ::inotify_add_watch(notices_, folder.c_str(), IN_CREATE | IN_MOVED_TO);
}

GrowingFolder::~GrowingFolder() {
  ::close(notices_);
}

void GrowingFolder::add(const std::string& name) {
  const bool is_frame = !name.starts_with('.') && (name.ends_with(".record") || name.ends_with(".h5"));
  if (is_frame && name > last_) names_.insert(name);
}

void GrowingFolder::hear() {
  alignas(inotify_event) std::array<char, 1 << 14> buffer;
  for (ssize_t count; (count = ::read(notices_, buffer.data(), buffer.size())) > 0;) {
    for (const char* at = buffer.data(); at < buffer.data() + count;) {
      inotify_event event;
      std::memcpy(&event, at, sizeof(event));
      if (event.len > 0) add(at + sizeof(event));
      // Notices were lost.
      if ((event.mask & IN_Q_OVERFLOW) != 0) next_reading_ = Clock::time_point::min();
      told_ = true;
      at += sizeof(event) + event.len;
    }
  }
}

void GrowingFolder::read() {
  const Clock::time_point begin = Clock::now();
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder_, error), none; !error && entry != none; entry.increment(error))
    add(entry->path().filename().string());
  check(!error, "{}: {}", folder_.string(), error.message());
  ++readings_;
  const Clock::time_point end = Clock::now();
  const Clock::duration pause = (end - begin) * kShare;
  next_reading_ = end + (told_ ? std::max<Clock::duration>(pause, kBetweenReadings) : pause);
}

std::optional<std::string> GrowingFolder::next() {
  // What is there before the folder is read has come before the end.
  const bool end_is_there = names_.empty() && std::filesystem::exists(folder_ / "end");
  hear();
  if (end_is_there || (names_.empty() && Clock::now() >= next_reading_)) read();
  if (names_.empty()) {
    ended_ = end_is_there;
    return {};
  }
  last_ = *names_.begin();
  names_.erase(names_.begin());
  return (folder_ / last_).string();
}

}  // namespace bevgrad
