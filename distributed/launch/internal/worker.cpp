#include "launch/internal/worker.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/console.h"
#include "base/error.h"

extern char** environ;

namespace bevgrad {
namespace {

constexpr size_t kLongestLine = 1 << 16;

std::pair<Socket, Socket> make_pipe() {
  int ends[2];
  check(pipe2(ends, O_CLOEXEC) == 0, "launch: cannot make a pipe: {}", describe_errno(errno));
  return {Socket(ends[0]), Socket(ends[1])};
}

/// The launcher's environment with `variables` in place of what has their names.
std::vector<std::string> merged_environment(const std::vector<std::pair<std::string, std::string>>& variables) {
  std::vector<std::string> merged;
  for (char** entry = environ; *entry; ++entry) {
    const std::string text = *entry;
    const std::string name = text.substr(0, text.find('='));
    bool is_replaced = false;
    for (const auto& [other, value] : variables) is_replaced = is_replaced || other == name;
    if (!is_replaced) merged.push_back(text);
  }
  for (const auto& [name, value] : variables) merged.push_back(name + "=" + value);
  return merged;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

}  // namespace

OutputLines::OutputLines(Socket pipe, const OutputPlace& place, std::string prefix)
    : pipe_(std::move(pipe)), console_(place.console), prefix_(std::move(prefix)) {
  fcntl(pipe_.descriptor(), F_SETFL, O_NONBLOCK);
  if (place.file.empty()) return;
  file_.emplace(place.file);
}

void OutputLines::print(const std::string& line) {
  if (console_) write_console(console_, fmt::format("{}{}\n", prefix_, line));
  if (!file_) return;
  try {
    file_->append(line + "\n");
  } catch (const Error& error) {
    // The processes go on; what they say is lost.
    if (!std::exchange(told_, true))
      write_console(stderr, fmt::format("bevgrad launch: {}; the run goes on\n", error.what()));
  }
}

void OutputLines::read() {
  char bytes[1 << 14];
  while (pipe_.is_open()) {
    const ssize_t got = ::read(pipe_.descriptor(), bytes, sizeof(bytes));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (got <= 0) {
      flush();
      pipe_.close();
      break;
    }
    rest_.append(bytes, static_cast<size_t>(got));
    size_t start = 0;
    for (size_t end; (end = rest_.find('\n', start)) != std::string::npos; start = end + 1)
      print(rest_.substr(start, end - start));
    rest_.erase(0, start);
    if (rest_.size() > kLongestLine) flush();
  }
}

void OutputLines::flush() {
  if (!rest_.empty()) print(rest_);
  rest_.clear();
}

Worker::Worker(const WorkerOptions& options) : name_(options.name) {
  auto [out_read, out_write] = make_pipe();
  auto [error_read, error_write] = make_pipe();
  auto [failure_read, failure_write] = make_pipe();
  const Socket nothing(open("/dev/null", O_RDONLY | O_CLOEXEC));
  std::vector<std::string> words = options.command, variables = merged_environment(options.variables);
  const std::vector<char*> arguments = pointers(words), environment = pointers(variables);
  const pid_t launcher = getpid();
  process_ = fork();
  check(process_ >= 0, "launch: cannot start a process: {}", std::strerror(errno));
  if (process_ == 0) {
    // Only calls that are safe after a fork from here on.
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != launcher) _exit(127);  // it died in between
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    dup2(nothing.descriptor(), STDIN_FILENO);
    dup2(out_write.descriptor(), STDOUT_FILENO);
    dup2(error_write.descriptor(), STDERR_FILENO);
    execvpe(arguments[0], arguments.data(), environment.data());
    const int code = errno;
    [[maybe_unused]] const ssize_t written = write(failure_write.descriptor(), &code, sizeof(code));
    _exit(127);
  }
  setpgid(process_, process_);  // whoever of the two comes first
  failure_write.close();
  int code = 0;
  if (::read(failure_read.descriptor(), &code, sizeof(code)) == sizeof(code)) {
    waitpid(process_, nullptr, 0);
    const std::string& program = options.command[0];
    throw UsageError(fmt::format(
        "launch: cannot run \"{}\": {}{}", program, std::strerror(code),
        program.ends_with(".py")
            ? fmt::format(" (Python wants its interpreter: -- python {}; for tools/main.py of LeapAI: -- bevgrad run)",
                          program)
            : ""));
  }
  const std::string prefix = fmt::format("[{}] ", name_);
  outputs_.emplace_back(std::move(out_read), options.out, prefix);
  outputs_.emplace_back(std::move(error_read), options.error, prefix);
}

Worker::~Worker() {
  if (ended_ || process_ <= 0) return;
  signal(SIGKILL);
  waitpid(process_, nullptr, 0);
}

void Worker::signal(int number) const {
  if (process_ > 0 && !ended_) kill(-process_, number);
}

bool Worker::reap() {
  if (ended_) return true;
  siginfo_t info = {};
  if (waitid(P_PID, static_cast<id_t>(process_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
    return false;
  // What it started itself goes with it; its number cannot be another's as long as it has not been waited for.
  signal(SIGKILL);
  int status = 0;
  waitpid(process_, &status, 0);
  ended_ = true;
  killed_ = !WIFEXITED(status);
  status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return true;
}

bool Worker::ended_as_asked() const {
  return ended_ && !killed_ && (status_ == 128 + SIGUSR1 || status_ == 128 + SIGUSR2);
}

std::string Worker::how_it_ended() const {
  return status_ > 128 && status_ < 128 + NSIG ? fmt::format("signal {} ({})", status_ - 128, strsignal(status_ - 128))
                                               : fmt::format("exit status {}", status_);
}

}  // namespace bevgrad
