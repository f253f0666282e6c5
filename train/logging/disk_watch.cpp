#include "train/logging/disk_watch.h"

#include <filesystem>

#include "base/error.h"

namespace bevgrad {

bool DiskWatch::attempt(const std::string& kind, std::string_view meanwhile, const std::function<void()>& write) {
  try {
    write();
    return true;
  } catch (const Error& error) {
    refused(kind, meanwhile, error.what());
  } catch (const std::filesystem::filesystem_error& error) {
    refused(kind, meanwhile, error.what());
  }
  return false;
}

void DiskWatch::refused(const std::string& kind, std::string_view meanwhile, std::string_view error) {
  if (told_.insert(kind).second) warn_(fmt::format("{}; {}", error, meanwhile));
}

}  // namespace bevgrad
