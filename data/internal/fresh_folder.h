// A folder that appears whole or not at all.
#pragma once
#include <string>

namespace bevgrad {

/// Made beside `path` under a temporary name; goes with everything in it unless `appear` gives it its name.
class FreshFolder {
 public:
  /// Throws UsageError where `path` exists and is anything but an empty folder, Error where nothing can be made there.
  explicit FreshFolder(const std::string& path);
  ~FreshFolder();
  FreshFolder(const FreshFolder&) = delete;
  FreshFolder& operator=(const FreshFolder&) = delete;

  /// The path of an entry while the folder is being made.
  std::string operator/(const std::string& entry) const;
  void appear();

 private:
  std::string path_, temporary_;
};

}  // namespace bevgrad
