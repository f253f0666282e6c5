// A folder into which files are put while it is read.
#pragma once
#include <chrono>
#include <filesystem>
#include <optional>
#include <set>
#include <string>

namespace bevgrad {

/// Files *.record and *.h5 in the order of their names. A writer gives a file its name when it is whole: others
/// (".part", a dot in front) are not looked at; nor are those whose names sort before one that was given.
///
/// The system tells of new files (inotify), so that the folder, which may hold all frames of a day, is not read for
/// each. Where it does not (what other machines write to a network's folder), the folder is read again and again, in at
/// most a twentieth of the time.
class GrowingFolder {
 public:
  /// Throws UsageError where it is no folder.
  explicit GrowingFolder(const std::string& folder);
  ~GrowingFolder();
  GrowingFolder(const GrowingFolder&) = delete;
  GrowingFolder& operator=(const GrowingFolder&) = delete;

  /// The next file's path; nothing: there is none yet.
  std::optional<std::string> next();
  /// A file called "end" is there, and all that were there before it have been given.
  bool ended() const { return ended_; }
  /// How often the folder was read.
  int64_t readings() const { return readings_; }

 private:
  using Clock = std::chrono::steady_clock;

  void add(const std::string& name);
  void hear();
  void read();

  std::filesystem::path folder_;
  int notices_;                  // inotify's descriptor; -1: there is none
  bool told_ = false;            // a notice has come
  std::set<std::string> names_;  // that are there and were not given
  std::string last_;             // the name that was given last
  Clock::time_point next_reading_ = Clock::time_point::min();
  int64_t readings_ = 0;
  bool ended_ = false;
};

}  // namespace bevgrad
