#include "watching/run_server.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.h"
#include "base/files.h"
#include "internal/run_page.h"
#include "watching/run_progress.h"

namespace bevgrad {
namespace {

using nlohmann::json;

constexpr unsigned kConnections = 32, kIdleSeconds = 10;
constexpr size_t kMemoryOfARequest = 16 << 10, kMostPoints = 400, kMostPictures = 24, kMostWarnings = 10;
constexpr const char* kCookie = "bevgrad";

struct Answer {
  unsigned status = MHD_HTTP_OK;
  std::string type = "text/plain; charset=utf-8", body;
  bool sets_cookie = false;
};

Answer refusal(unsigned status, const std::string& why) {
  return {status, "text/plain; charset=utf-8", why + "\n"};
}

Answer json_answer(const json& value) {
  return {MHD_HTTP_OK, "application/json", value.dump(-1, ' ', false, json::error_handler_t::replace)};
}

std::string random_token() {
  unsigned char bytes[16];
  check(getrandom(bytes, sizeof(bytes), 0) == sizeof(bytes), "cannot get random bytes from the system");
  std::string text;
  for (const unsigned char byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

/// Takes as long whatever differs.
bool same_secret(std::string_view given, std::string_view secret) {
  if (given.size() != secret.size()) return false;
  unsigned char difference = 0;
  for (size_t i = 0; i < secret.size(); ++i) difference |= static_cast<unsigned char>(given[i] ^ secret[i]);
  return difference == 0;
}

std::string request_value(MHD_Connection* connection, MHD_ValueKind kind, const char* name) {
  const char* value = MHD_lookup_connection_value(connection, kind, name);
  return value ? value : "";
}

}  // namespace

struct RunServer::Impl {
  std::string folder, token = random_token();
  int port = 0;
  MHD_Daemon* daemon = nullptr;
  std::map<std::string, RunProgress> progress = {};  // by folder; of the server's thread alone

  ~Impl() {
    if (daemon) MHD_stop_daemon(daemon);
  }

  static MHD_Result handle(void* self, MHD_Connection* connection, const char* url, const char* method, const char*,
                           const char*, size_t*, void**) {
    Answer answer;
    try {
      answer = static_cast<Impl*>(self)->answer(connection, url, method);
    } catch (const std::exception& error) {
      answer = refusal(MHD_HTTP_INTERNAL_SERVER_ERROR, error.what());
    }
    return static_cast<Impl*>(self)->send(connection, answer);
  }

  MHD_Result send(MHD_Connection* connection, const Answer& answer) const {
    MHD_Response* response = MHD_create_response_from_buffer(answer.body.size(), const_cast<char*>(answer.body.data()),
                                                             MHD_RESPMEM_MUST_COPY);
    if (!response) return MHD_NO;
    const auto header = [&](const char* name, const std::string& value) {
      MHD_add_response_header(response, name, value.c_str());
    };
    header("Content-Type", answer.type);
    header("Cache-Control", "no-store");
    header("X-Content-Type-Options", "nosniff");
    header("X-Frame-Options", "DENY");
    header("Referrer-Policy", "no-referrer");
    // What the page holds is its own; it may ask this server and nobody else.
    header("Content-Security-Policy",
           "default-src 'none'; script-src 'unsafe-inline'; style-src "
           "'unsafe-inline'; img-src 'self' data:; "
           "connect-src 'self'; base-uri 'none'; form-action 'none'");
    if (answer.sets_cookie) header("Set-Cookie", fmt::format("{}={}; HttpOnly; SameSite=Strict", kCookie, token));
    if (answer.status == MHD_HTTP_METHOD_NOT_ALLOWED) {
      header("Allow", "GET, HEAD");
      header("Connection", "close");
    }
    const MHD_Result result = MHD_queue_response(connection, answer.status, response);
    MHD_destroy_response(response);
    return result;
  }

  Answer answer(MHD_Connection* connection, std::string_view url, std::string_view method) {
    if (method != "GET" && method != "HEAD") return refusal(MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD");
    const std::string host = request_value(connection, MHD_HEADER_KIND, "Host");
    if (host != fmt::format("127.0.0.1:{}", port) && host != fmt::format("localhost:{}", port))
      return refusal(MHD_HTTP_MISDIRECTED_REQUEST, "another host than this one is asked for");
    const bool by_address = same_secret(request_value(connection, MHD_GET_ARGUMENT_KIND, "token"), token);
    if (!by_address && !same_secret(request_value(connection, MHD_COOKIE_KIND, kCookie), token))
      return refusal(MHD_HTTP_FORBIDDEN,
                     "the token is missing or wrong: open the address that "
                     "bevgrad serve printed");
    if (url == "/") return {MHD_HTTP_OK, "text/html; charset=utf-8", kRunPage, by_address};
    const std::vector<RunFolder> runs = find_runs(folder);
    if (url == "/runs.json") return json_answer(list_of(runs));
    const std::string wanted = request_value(connection, MHD_GET_ARGUMENT_KIND, "run");
    const auto run = std::ranges::find(runs, wanted, &RunFolder::path);
    if (run == runs.end()) return refusal(MHD_HTTP_NOT_FOUND, "there is no such training");
    if (url == "/run.json") return json_answer(details_of(*run));
    if (url == "/report") {
      const std::string report = last_report(run->path);
      if (report.empty()) return refusal(MHD_HTTP_NOT_FOUND, "no validation has left a report yet");
      return {MHD_HTTP_OK, "text/html; charset=utf-8", read_file(report)};
    }
    if (url == "/picture") return picture_of(*run, request_value(connection, MHD_GET_ARGUMENT_KIND, "number"));
    return refusal(MHD_HTTP_NOT_FOUND, "there is no such page");
  }

  static Answer picture_of(const RunFolder& run, const std::string& number) {
    const std::vector<std::string> pictures = last_pictures(run.path, kMostPictures);
    for (size_t i = 0; i < pictures.size(); ++i)
      if (number == std::to_string(i))
        return {MHD_HTTP_OK, pictures[i].ends_with(".gif") ? "image/gif" : "image/png", read_file(pictures[i])};
    return refusal(MHD_HTTP_NOT_FOUND, "there is no such picture");
  }

  json list_of(const std::vector<RunFolder>& runs) {
    json list = json::array();
    for (const RunFolder& run : runs) {
      RunProgress& numbers = progress.try_emplace(run.path, run.path).first->second;
      numbers.update();
      json entry = {{"run", run.path},
                    {"state", run.state()},
                    {"step", std::max(run.step, numbers.step())},
                    {"total", run.total_steps},
                    {"loss", numbers.last("train/loss")},
                    {"rate", numbers.last("train/steps_per_second")},
                    {"memory_gb", numbers.last("train/memory_gb")},
                    {"ranks", numbers.ranks()},
                    {"bytes", run.bytes},
                    {"metric", run.metric},
                    {"best_step", run.best_step}};
      if (run.best) entry["best"] = *run.best;
      if (const double left = numbers.seconds_left(run.total_steps); left >= 0) entry["seconds_left"] = left;
      list.push_back(std::move(entry));
    }
    return list;
  }

  json details_of(const RunFolder& run) {
    RunProgress& numbers = progress.try_emplace(run.path, run.path).first->second;
    numbers.update();
    json details = list_of({run})[0];
    details["curves"] = json::object();
    for (const auto& [name, curve] : numbers.curves()) details["curves"][name] = thinned(curve, kMostPoints);
    details["warnings"] = last_warnings(run.path, kMostWarnings);
    details["pictures"] = json::array();
    for (const std::string& path : last_pictures(run.path, kMostPictures))
      details["pictures"].push_back(path.substr(run.path.size() + 1));
    details["has_report"] = !last_report(run.path).empty();
    return details;
  }
};

RunServer::RunServer(const std::string& folder, int port) : impl_(std::make_unique<Impl>()) {
  impl_->folder = folder;
  find_runs(folder);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  errno = 0;
  impl_->daemon =
      MHD_start_daemon(MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD, static_cast<uint16_t>(port), nullptr, nullptr,
                       &Impl::handle, impl_.get(), MHD_OPTION_SOCK_ADDR, reinterpret_cast<sockaddr*>(&address),
                       MHD_OPTION_CONNECTION_LIMIT, kConnections, MHD_OPTION_CONNECTION_TIMEOUT, kIdleSeconds,
                       MHD_OPTION_CONNECTION_MEMORY_LIMIT, kMemoryOfARequest, MHD_OPTION_END);
  check(impl_->daemon != nullptr, "serve: cannot listen on 127.0.0.1:{}: {}", port,
        errno != 0 ? std::strerror(errno) : "the HTTP library refuses");
  const MHD_DaemonInfo* info = MHD_get_daemon_info(impl_->daemon, MHD_DAEMON_INFO_BIND_PORT);
  impl_->port = info ? info->port : port;
}

RunServer::~RunServer() = default;

int RunServer::port() const {
  return impl_->port;
}

const std::string& RunServer::token() const {
  return impl_->token;
}

std::string RunServer::address() const {
  return fmt::format("http://127.0.0.1:{}/?token={}", port(), token());
}

}  // namespace bevgrad
