#include "deploy/stream_server.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <list>
#include <optional>
#include <thread>

#include "base/console.h"
#include "base/error.h"
#include "base/signals.h"
#include "internal/frame_service.h"
#include "internal/growing_folder.h"
#include "internal/record_buffer.h"
#include "internal/unix_listener.h"

namespace bevgrad {
namespace {

constexpr size_t kMostConnections = 16;
constexpr size_t kBytesAtOnce = 1 << 20;
constexpr int kPollMilliseconds = 100;
constexpr auto kLookAgain = std::chrono::milliseconds(10);

/// Writing to a reader that is gone gives an error, as any other, while it lives.
class NoPipeSignal {
 public:
  NoPipeSignal() : before_(std::signal(SIGPIPE, SIG_IGN)) {}
  ~NoPipeSignal() { std::signal(SIGPIPE, before_); }
  NoPipeSignal(const NoPipeSignal&) = delete;
  NoPipeSignal& operator=(const NoPipeSignal&) = delete;

 private:
  void (*before_)(int);
};

/// Reads what is there and adds it; false at the end of the input. Throws Error for bytes that are no records.
bool read_some(int descriptor, RecordBuffer& buffer, std::vector<uint8_t>& scratch) {
  scratch.resize(std::min(buffer.missing(), kBytesAtOnce));
  const ssize_t count = ::read(descriptor, scratch.data(), scratch.size());
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  check(count >= 0, "{}", std::strerror(errno));
  buffer.add(std::span(scratch).first(static_cast<size_t>(count)));
  return count > 0;
}

bool has_input(int descriptor) {
  pollfd entry{.fd = descriptor, .events = POLLIN, .revents = 0};
  return ::poll(&entry, 1, kPollMilliseconds) > 0;
}

void write_answer(const std::string& line) {
  check(write_console(stdout, line), "the standard output is closed or full");
}

void serve_standard_input(FrameService& service) {
  ServedStream stream(service.trained(), 0);
  RecordBuffer buffer;
  std::vector<uint8_t> scratch;
  while (StopSignals::caught() == 0) {
    if (!has_input(STDIN_FILENO)) continue;
    if (!read_some(STDIN_FILENO, buffer, scratch)) {
      check(buffer.empty(), "standard input: it ends within record {}, of which {} bytes are missing", stream.frames,
            buffer.missing());
      return;
    }
    if (buffer.missing() > 0) continue;
    write_answer(service.answer(stream, buffer.record()));
    buffer.clear();
  }
}

void serve_folder(FrameService& service, const std::string& folder) {
  GrowingFolder files(folder);
  ServedStream stream(service.trained(), 0);
  while (StopSignals::caught() == 0) {
    if (const std::optional<std::string> path = files.next()) {
      write_answer(service.answer_file(stream, *path));
    } else if (files.ended()) {
      return;
    } else {
      std::this_thread::sleep_for(kLookAgain);
    }
  }
}

struct Connection {
  Connection(int descriptor, TrainedNetwork& trained, int64_t number)
      : descriptor(descriptor), stream(trained, number) {}
  ~Connection() { ::close(descriptor); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int descriptor;
  ServedStream stream;
  RecordBuffer buffer = {};
};

/// Whether all of it went out.
bool send_line(int descriptor, std::string_view line) {
  while (!line.empty()) {
    const ssize_t count = ::send(descriptor, line.data(), line.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    line.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

/// Reads from a connection that has something, and answers a record that is whole; false: it is over.
bool serve_connection(FrameService& service, Connection& connection, std::vector<uint8_t>& scratch) {
  try {
    if (!read_some(connection.descriptor, connection.buffer, scratch)) return false;
  } catch (const Error& error) {
    send_line(connection.descriptor, service.error_line(connection.stream, error.what()));
    return false;
  }
  if (connection.buffer.missing() > 0) return true;
  const std::string answer = service.answer(connection.stream, connection.buffer.record());
  connection.buffer.clear();
  return send_line(connection.descriptor, answer);
}

void serve_socket(FrameService& service, const std::string& path) {
  const UnixListener listener(path);
  write_console(stderr, fmt::format("listening on {}\n", path));
  std::list<Connection> connections;
  std::vector<uint8_t> scratch;
  int64_t streams = 0;
  while (StopSignals::caught() == 0) {
    std::vector<pollfd> entries = {{.fd = listener.descriptor(), .events = POLLIN, .revents = 0}};
    for (const Connection& connection : connections)
      entries.push_back({.fd = connection.descriptor, .events = POLLIN, .revents = 0});
    if (::poll(entries.data(), entries.size(), kPollMilliseconds) <= 0) continue;
    size_t i = 1;
    for (auto connection = connections.begin(); connection != connections.end(); ++i) {
      const bool goes_on = entries[i].revents == 0 || serve_connection(service, *connection, scratch);
      connection = goes_on ? std::next(connection) : connections.erase(connection);
    }
    if (entries[0].revents == 0) continue;
    const int descriptor = listener.accept();
    if (descriptor < 0) continue;
    connections.emplace_back(descriptor, service.trained(), streams++);
    if (connections.size() <= kMostConnections) continue;
    send_line(descriptor, service.error_line(connections.back().stream,
                                             fmt::format("{} streams are being served already", kMostConnections)));
    connections.pop_back();
  }
}

}  // namespace

void serve_streams(const configs::Document& document, const StreamServerOptions& options, RunLog& log,
                   const Parts& parts) {
  const StopSignals signals;
  const NoPipeSignal no_pipe_signal;
  FrameService service(document, options.network, options.rasters, log, parts);
  if (options.source == "-") {
    serve_standard_input(service);
  } else if (options.source.starts_with("unix:")) {
    serve_socket(service, options.source.substr(5));
  } else {
    serve_folder(service, options.source);
  }
  write_console(stderr, service.latencies().summary() + "\n");
}

}  // namespace bevgrad
