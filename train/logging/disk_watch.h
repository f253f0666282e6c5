// What a run does where the disk refuses a file that it can do without.
#pragma once
#include <functional>
#include <set>
#include <string>
#include <string_view>

namespace bevgrad {

/// A full disk must not end a training of days: what is refused is said once a kind of file, the run goes on, and what
/// was last written whole stays.
class DiskWatch {
 public:
  explicit DiskWatch(std::function<void(const std::string&)> warn) : warn_(std::move(warn)) {}

  /// Whether `write` succeeded. The Error that it throws is said, with `meanwhile` ("the run goes on without
  /// pictures") behind it, once for each `kind`.
  bool attempt(const std::string& kind, std::string_view meanwhile, const std::function<void()>& write);
  void refused(const std::string& kind, std::string_view meanwhile, std::string_view error);

 private:
  std::function<void(const std::string&)> warn_;
  std::set<std::string> told_;
};

}  // namespace bevgrad
