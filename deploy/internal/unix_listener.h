// A Unix socket of this user, on which connections are accepted.
#pragma once
#include <string>

namespace bevgrad {

class UnixListener {
 public:
  /// A socket that nobody listens on any more is replaced. Throws UsageError where the path is taken or too long.
  explicit UnixListener(const std::string& path);
  ~UnixListener();
  UnixListener(const UnixListener&) = delete;
  UnixListener& operator=(const UnixListener&) = delete;

  int descriptor() const { return descriptor_; }
  /// A connection whose writes give up after ten seconds; -1: nobody is there.
  int accept() const;

 private:
  std::string path_;
  int descriptor_;
};

}  // namespace bevgrad
