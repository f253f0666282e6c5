#include "cuda/plan_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "base/console.h"
#include "base/error.h"
#include "base/files.h"

namespace bevgrad::cuda {
namespace {

constexpr std::string_view kMagic = "bevgrad plan 1\n";
constexpr off_t kMostBytes = off_t{64} << 20;

void say(const std::string& path, const std::string& why) {
  write_console(stderr, fmt::format("bevgrad: {}: {}\n", path, why));
}

std::string path_of(const std::string& key) {
  return fmt::format("{}/{:016x}.plan", plan_folder(), XXH3_64bits(key.data(), key.size()));
}

/// All that stands before the text: whose it is, and how it is known again.
std::string header_of(const std::string& key, std::string_view text) {
  return fmt::format("{}{}\n{} {:016x}\n", kMagic, key, text.size(), XXH3_64bits(text.data(), text.size()));
}

struct OpenFile {
  int descriptor;
  explicit OpenFile(const std::string& path)
      : descriptor(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)) {}
  ~OpenFile() {
    if (descriptor >= 0) ::close(descriptor);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
};

/// What is wrong with a file; "" and its bytes where nothing is.
std::string read_trusted(const OpenFile& file, std::string& bytes) {
  struct stat about {};
  if (file.descriptor < 0) return "is a link or cannot be read";
  if (::fstat(file.descriptor, &about) != 0 || !S_ISREG(about.st_mode)) return "is no file";
  if (about.st_uid != ::geteuid() || (about.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return "belongs to another user, or others may write it";
  if (about.st_size > kMostBytes) return "is larger than a plan can be";
  bytes.resize(static_cast<size_t>(about.st_size));
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = ::read(file.descriptor, bytes.data() + done, bytes.size() - done);
    if (count <= 0) return "cannot be read";
    done += static_cast<size_t>(count);
  }
  return "";
}

}  // namespace

std::string plan_folder() {
  if (const char* chosen = std::getenv("BEVGRAD_PLAN_CACHE")) return std::string_view(chosen) == "0" ? "" : chosen;
#ifdef BEVGRAD_CUDA_EMULATED
  return "";
#else
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache && *cache == '/')
    return std::string(cache) + "/bevgrad/plans";
  const char* home = std::getenv("HOME");
  return home && *home == '/' ? std::string(home) + "/.cache/bevgrad/plans" : "";
#endif
}

std::optional<std::string> read_plan(const std::string& key) {
  if (plan_folder().empty()) return {};
  const std::string path = path_of(key);
  struct stat about {};
  if (::lstat(path.c_str(), &about) != 0) return {};
  std::string bytes;
  if (const std::string problem = read_trusted(OpenFile(path), bytes); !problem.empty()) {
    refuse_plan(key, problem);
    return {};
  }
  const std::string begin = fmt::format("{}{}\n", kMagic, key);
  const size_t line = bytes.find('\n', begin.size());
  if (!bytes.starts_with(begin) || line == std::string::npos) {
    refuse_plan(key, "is no plan of this convolution");
    return {};
  }
  std::string text = bytes.substr(line + 1);
  if (bytes.compare(0, line + 1, header_of(key, text)) != 0) {
    refuse_plan(key, "is damaged");
    return {};
  }
  return text;
}

void refuse_plan(const std::string& key, const std::string& why) {
  say(path_of(key), why + ": ignored, and made anew");
}

void keep_plan(const std::string& key, const std::string& text) {
  if (plan_folder().empty()) return;
  static std::atomic<bool> told{false};
  try {
    const std::filesystem::path folder = plan_folder();
    std::filesystem::create_directories(folder);
    const std::filesystem::path path = path_of(key);
    write_text_file(path.string(), header_of(key, text) + text);
    using std::filesystem::perms;
    std::filesystem::permissions(path, perms::owner_read | perms::owner_write);
  } catch (const std::exception& error) {
    if (!told.exchange(true)) say(plan_folder(), fmt::format("plans of cuDNN are not kept: {}", error.what()));
  }
}

}  // namespace bevgrad::cuda
