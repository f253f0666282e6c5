#include "internal/fresh_folder.h"

#include <unistd.h>

#include <filesystem>

#include "base/error.h"

namespace bevgrad {

namespace fs = std::filesystem;

FreshFolder::FreshFolder(const std::string& path) {
  if (path.empty()) throw UsageError("the name of the folder to make is empty");
  fs::path wanted = fs::path(path).lexically_normal();
  if (!wanted.has_filename()) wanted = wanted.parent_path();
  path_ = wanted.string();
  temporary_ = fmt::format("{}.writing-{}", path_, getpid());
  std::error_code error;
  if (fs::exists(path_, error) && !(fs::is_directory(path_, error) && fs::is_empty(path_, error)))
    throw UsageError(fmt::format("{}: already exists, expected a new or empty folder", path_));
  fs::remove_all(temporary_, error);
  fs::create_directories(temporary_, error);
  check(!error, "{}: cannot be created: {}", temporary_, error.message());
}

FreshFolder::~FreshFolder() {
  std::error_code ignored;
  fs::remove_all(temporary_, ignored);
}

std::string FreshFolder::operator/(const std::string& entry) const {
  return (fs::path(temporary_) / entry).string();
}

void FreshFolder::appear() {
  std::error_code error;
  fs::rename(temporary_, path_, error);
  check(!error, "{}: cannot be renamed to {}: {}", temporary_, path_, error.message());
}

}  // namespace bevgrad
