// A folder into which files are put while it is read.
#pragma once
#include <filesystem>
#include <optional>
#include <string>

namespace bevgrad {

/// Files *.record and *.h5 in the order of their names. A writer gives a file its name when it is whole: others
/// (".part", a dot in front) are not looked at.
class GrowingFolder {
 public:
  /// Throws UsageError where it is no folder.
  explicit GrowingFolder(const std::string& folder);

  /// The next file's path; nothing: there is none yet.
  std::optional<std::string> next();
  /// A file called "end" is there, and all that were there before it have been given.
  bool ended() const { return ended_; }

 private:
  std::filesystem::path folder_;
  std::string last_;  // the name that was given last
  bool ended_ = false;
};

}  // namespace bevgrad
