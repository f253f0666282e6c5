// One process of a run, started and watched by the launcher.
#pragma once
#include <sys/types.h>

#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/append_file.h"
#include "distributed/socket.h"

namespace bevgrad {

/// Where one stream of a process goes.
struct OutputPlace {
  FILE* console = nullptr;  ///< null: not there
  std::string file;         ///< "": to no file
};

/// What a process writes, line by line: to the console with a prefix, and to a file.
class OutputLines {
 public:
  OutputLines(Socket pipe, const OutputPlace& place, std::string prefix);

  int descriptor() const { return pipe_.descriptor(); }
  bool is_open() const { return pipe_.is_open(); }
  /// Takes what is there. Closes at the end of the stream.
  void read();
  /// Prints what is left without an end of line.
  void flush();

 private:
  void print(const std::string& line);

  Socket pipe_;
  FILE* console_;
  std::string prefix_, rest_;
  std::optional<AppendFile> file_;
  bool told_ = false;  // that the file cannot be written
};

struct WorkerOptions {
  std::vector<std::string> command;
  /// Set in the environment, beside what the launcher itself has.
  std::vector<std::pair<std::string, std::string>> variables;
  std::string name;  ///< "rank3": the prefix of its lines
  OutputPlace out, error;
};

/// A process in a group of its own, which dies with the launcher and takes its children along.
class Worker {
 public:
  /// Throws Error where the program cannot be started.
  explicit Worker(const WorkerOptions& options);
  /// Kills what is left of it.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  const std::string& name() const { return name_; }
  pid_t process() const { return process_; }
  /// To it and its children.
  void signal(int number) const;
  /// Notices whether it has ended. True once it has.
  bool reap();
  bool ended() const { return ended_; }
  /// As a shell gives it: 128 + number where a signal ended it.
  int status() const { return status_; }
  /// It ended by itself after SIGUSR1 or SIGUSR2, and says so by its status: it was to save and end.
  bool ended_as_asked() const;
  /// "exit status 1", "signal 9 (Killed)"
  std::string how_it_ended() const;
  std::vector<OutputLines>& outputs() { return outputs_; }

 private:
  std::string name_;
  pid_t process_ = -1;
  bool ended_ = false, killed_ = false;
  int status_ = 0;
  std::vector<OutputLines> outputs_;
};

}  // namespace bevgrad
