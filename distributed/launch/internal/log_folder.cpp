#include "launch/internal/log_folder.h"

#include <stdlib.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/error.h"

namespace bevgrad {

namespace fs = std::filesystem;

LogFolder::LogFolder(const std::string& parent, const std::string& run_id, StreamChoice redirects, StreamChoice tee,
                     std::vector<int> shown_ranks)
    : redirects_(std::move(redirects)), tee_(std::move(tee)), shown_ranks_(std::move(shown_ranks)) {
  if (parent.empty()) return;
  std::error_code error;
  fs::create_directories(parent, error);
  std::string pattern = fmt::format("{}/{}_XXXXXX", parent, run_id);
  if (error || mkdtemp(pattern.data()) == nullptr)
    throw UsageError(fmt::format("--log-dir: cannot make a folder in {}: {}", parent,
                                 error ? error.message() : describe_errno(errno)));
  path_ = pattern;
}

std::pair<OutputPlace, OutputPlace> LogFolder::places(int attempt, int local_rank) const {
  const bool is_shown =
      shown_ranks_.empty() || std::find(shown_ranks_.begin(), shown_ranks_.end(), local_rank) != shown_ranks_.end();
  const std::string folder = fmt::format("{}/attempt_{}/{}", path_, attempt, local_rank);
  if (!path_.empty()) fs::create_directories(folder);
  const auto place = [&](FILE* console, const char* name, bool alone, bool too) {
    return OutputPlace{is_shown && (too || !alone) ? console : nullptr,
                       !path_.empty() && (too || alone) ? fmt::format("{}/{}", folder, name) : ""};
  };
  const Streams alone = redirects_.of(local_rank), too = tee_.of(local_rank);
  return {place(stdout, "stdout.log", alone.out(), too.out()), place(stderr, "stderr.log", alone.error(), too.error())};
}

}  // namespace bevgrad
