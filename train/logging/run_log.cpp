#include "train/logging/run_log.h"

#include <fmt/chrono.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <mutex>
#include <optional>
#include <sstream>

#include "base/append_file.h"
#include "base/console.h"
#include "base/error.h"
#include "base/text.h"

namespace bevgrad {

namespace {

/// Names in a log may come from data: no control character of theirs reaches a terminal.
std::string one_line(std::string_view text) {
  return printable(text, 4 * text.size() + 1);
}

}  // namespace

std::string format_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "?";
  const auto total = static_cast<int64_t>(seconds + 0.5);
  if (total >= 3600) return fmt::format("{}:{:02}:{:02}", total / 3600, total / 60 % 60, total % 60);
  return fmt::format("{}:{:02}", total / 60, total % 60);
}

std::string to_string(const Progress& progress) {
  std::string text = fmt::format("{} {}/{}", progress.what, progress.done, progress.total);
  if (progress.total > 0) text += fmt::format(" {}%", 100 * progress.done / progress.total);
  if (progress.rate > 0) {
    text +=
        progress.rate >= 1 ? fmt::format(" {:.1f}/s", progress.rate) : fmt::format(" {:.1f} s each", 1 / progress.rate);
    text +=
        fmt::format(" ETA {}", format_duration(static_cast<double>(progress.total - progress.done) / progress.rate));
  }
  if (progress.loss > 0) text += fmt::format(" loss {:.4g}", progress.loss);
  if (progress.lr > 0) text += fmt::format(" lr {:.3g}", progress.lr);
  if (progress.memory > 0) text += fmt::format(" mem {:.2f} GB", progress.memory / 1e9);
  return text;
}

struct RunLog::Impl {
  std::optional<AppendFile> file;
  std::mutex mutex;  // of file and consoles
  bool told = false;
  bool quiet = false;
  bool silent = false;
  bool live = false;
  bool drawn = false;  // an unfinished progress line stands on the terminal

  void clear() {
    if (drawn) write_console(stdout, "\r\033[K");
    drawn = false;
  }
  void write_file(const std::string& line) {
    if (!file) return;
    const std::lock_guard lock(mutex);
    try {
      file->append(fmt::format("{:%Y-%m-%d %H:%M:%S} {}\n", fmt::localtime(std::time(nullptr)), line));
    } catch (const Error& error) {
      complain(error.what());
    }
  }
  void write_console(FILE* stream, const std::string& text) {
    const std::lock_guard lock(mutex);
    if (!bevgrad::write_console(stream, text) && stream == stdout)
      complain("the standard output cannot be written (is the disk full?)");
  }
  void complain(const char* what) {
    if (told) return;
    told = true;
    bevgrad::write_console(stderr, fmt::format("warning: {}; the run goes on, lines of its log are missing\n", what));
  }
};

RunLog::RunLog(const std::string& file, bool quiet) : impl_(std::make_unique<Impl>()) {
  impl_->quiet = quiet;
  impl_->live = !quiet && isatty(STDOUT_FILENO) == 1;
  if (file.empty()) return;
  impl_->file.emplace(file);
}

RunLog::~RunLog() {
  if (impl_->drawn) impl_->write_console(stdout, "\n");
}

bool RunLog::is_live() const {
  return impl_->live;
}

void RunLog::info(const std::string& text) {
  impl_->clear();
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    line = one_line(line);
    if (!impl_->quiet) impl_->write_console(stdout, line + "\n");
    impl_->write_file(line);
  }
}

void RunLog::silence() {
  impl_->quiet = impl_->silent = true;
  impl_->live = false;
}

void RunLog::warn(const std::string& text) {
  if (impl_->silent) return;
  impl_->clear();
  const std::string line = "warning: " + one_line(text);
  impl_->write_console(stderr, line + "\n");
  impl_->write_file(line);
}

void RunLog::progress(const Progress& progress) {
  if (impl_->quiet) return;
  std::string line = to_string(progress);
  if (!impl_->live) {
    impl_->write_console(stdout, line + "\n");
    return;
  }
  // A bar as wide as the terminal allows; a line that wraps could not be redrawn.
  winsize size = {};
  const size_t width = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
  if (line.size() + 14 < width && progress.total > 0) {
    const size_t room = std::min<size_t>(30, width - line.size() - 4);
    const auto full = static_cast<size_t>(static_cast<double>(room) * static_cast<double>(progress.done) /
                                          static_cast<double>(progress.total));
    line = "[" + std::string(full, '#') + std::string(room - full, '.') + "] " + line;
  }
  if (line.size() >= width) line.resize(width - 1);
  impl_->write_console(stdout, "\r\033[K" + line);
  impl_->drawn = true;
}

void RunLog::to_file(const std::string& line) {
  impl_->write_file(line);
}

double resident_bytes() {
  std::ifstream stream("/proc/self/statm");
  double pages = 0, resident = 0;
  stream >> pages >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double peak_resident_bytes() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024;
}

}  // namespace bevgrad
