#include "internal/growing_folder.h"

#include "base/error.h"

namespace bevgrad {

GrowingFolder::GrowingFolder(const std::string& folder) : folder_(folder) {
  if (!std::filesystem::is_directory(folder_))
    throw UsageError(
        fmt::format("--stream {}: it is no folder (\"-\" is the standard input, unix:PATH a socket)", folder));
}

std::optional<std::string> GrowingFolder::next() {
  // What is there before the folder is read has come before the end.
  const bool end_is_there = std::filesystem::exists(folder_ / "end");
  std::string first;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder_, error), none; !error && entry != none;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const bool is_frame = !name.starts_with('.') && (name.ends_with(".record") || name.ends_with(".h5"));
    if (is_frame && name > last_ && (first.empty() || name < first)) first = name;
  }
  check(!error, "{}: {}", folder_.string(), error.message());
  if (first.empty()) {
    ended_ = end_is_there;
    return {};
  }
  last_ = first;
  return (folder_ / first).string();
}

}  // namespace bevgrad
