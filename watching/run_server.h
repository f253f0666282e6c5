// Trainings as a page for a browser on this machine.
#pragma once
#include <memory>
#include <string>

namespace bevgrad {

/// Serves the work folders of `folder` by HTTP on 127.0.0.1, read-only, from a thread of its own:
///
///   /                     the page, which asks for the rest every few seconds
///   /runs.json            the trainings
///   /run.json?run=PATH    numbers, warnings and pictures of one
///   /picture?run=PATH&number=N, /report?run=PATH
///
/// Who asks must know the token (`token=` or the cookie that the first page sets), and name this address as the host
/// (so that no other site can have a browser ask). PATH must be one of the trainings that /runs.json lists, and files
/// are named by their number in a list: no path of a request is ever opened. Other methods than GET and HEAD, requests
/// of more than 16 KiB, connections beyond 32 and those that are idle for 10 s are refused.
class RunServer {
 public:
  /// `port` 0: any free one. Throws UsageError where `folder` is none, Error where the port cannot be had.
  RunServer(const std::string& folder, int port);
  ~RunServer();
  RunServer(const RunServer&) = delete;
  RunServer& operator=(const RunServer&) = delete;

  int port() const;
  /// 32 random hexadecimal digits.
  const std::string& token() const;
  /// What to open: http://127.0.0.1:PORT/?token=TOKEN
  std::string address() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bevgrad
