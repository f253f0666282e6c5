#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <list>
#include <map>
#include <optional>
#include <string_view>
#include <thread>

#include "base/console.h"
#include "base/error.h"
#include "distributed/tcp_store.h"
#include "internal/store_request.h"
#include "internal/store_wire.h"

namespace bevgrad {

using namespace store_wire;

namespace {

constexpr size_t kMostClients = 4096;
constexpr size_t kMostUnread = size_t{32} << 20;  // answers that one client does not fetch
constexpr size_t kReadAtOnce = size_t{1} << 20;   // from one client, before the others have their turn
constexpr size_t kFilesForOthers = 128;           // descriptors that the process keeps for itself
constexpr auto kTimeToIntroduce = std::chrono::seconds(10);
constexpr auto kTimeToAsk = std::chrono::seconds(1);      // for anything, before others may take the place
constexpr auto kTimeToFinish = std::chrono::seconds(60);  // a request that has begun to come
constexpr auto kPauseWithoutFiles = std::chrono::milliseconds(200);

struct Client {
  Socket socket;
  std::string address;
  /// Until when it has to say who it is, and later to end the request that it has begun.
  Deadline due;
  bool introduced = false;
  bool has_asked = false;  // for more than an introduction
  Deadline came;
  Deadline last_heard;
  std::string in, out;
  RequestScanner scanner;
  std::vector<std::string> waits_for;

  size_t unfinished() const { return in.size() + out.size(); }

  void answer(const void* data, size_t size) { out.append(static_cast<const char*>(data), size); }
  template <class T>
  void answer_number(T value) {
    answer(&value, sizeof(value));
  }
  void answer_string(const std::string& value) {
    answer_number<uint64_t>(value.size());
    out += value;
  }
};

}  // namespace

struct StoreServer::Impl {
  Socket listener;
  Socket wake;
  std::atomic<bool> stop = false;
  std::map<std::string, std::string> values;
  size_t stored = 0;
  std::list<Client> clients;
  std::thread thread;

  void run();
  void store(const std::string& key, std::string value);
  bool has_all(const std::vector<std::string>& keys) const;
  void release_waiting();
  bool read(Client& client, Deadline now);
  bool write(Client& client);
  void serve(Client& client, std::string_view request);
  int64_t add(const std::string& key, int64_t amount);
  void accept_all(Deadline now);
  bool make_room(const std::string& newcomer);
  void limit_unfinished();

  size_t places = kMostClients;
  Deadline accepts_from;  // without free descriptors it pauses
  bool told_of_files = false;
};

void StoreServer::Impl::store(const std::string& key, std::string value) {
  const auto found = values.find(key);
  const size_t before = found == values.end() ? 0 : key.size() + found->second.size();
  const size_t after = key.size() + value.size();
  if (stored - before + after > kMostStoredBytes) throw Garbage();
  stored = stored - before + after;
  values[key] = std::move(value);
  release_waiting();
}

bool StoreServer::Impl::has_all(const std::vector<std::string>& keys) const {
  for (const std::string& key : keys) {
    if (!values.contains(key)) return false;
  }
  return true;
}

void StoreServer::Impl::release_waiting() {
  for (Client& client : clients) {
    if (client.waits_for.empty() || !has_all(client.waits_for)) continue;
    client.waits_for.clear();
    client.answer_number(kStopWaiting);
  }
}

int64_t StoreServer::Impl::add(const std::string& key, int64_t amount) {
  int64_t value = 0;
  if (const auto found = values.find(key); found != values.end()) {
    const std::string& text = found->second;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (code != std::errc() || end != text.data() + text.size()) throw Garbage();
  }
  value = static_cast<int64_t>(static_cast<uint64_t>(value) + static_cast<uint64_t>(amount));
  store(key, std::to_string(value));
  return value;
}

void StoreServer::Impl::serve(Client& client, std::string_view request) {
  Parser parser(request);
  const auto code = parser.number<uint8_t>();
  if (!client.introduced && code != kValidate) throw Garbage();
  client.has_asked = client.has_asked || (code != kValidate && code != kPing);
  switch (code) {
    case kValidate:
      if (parser.number<uint32_t>() != kMagic) throw Garbage();
      client.introduced = true;
      break;
    case kSet: {
      const std::string key = parser.string();
      store(key, parser.string());
      break;
    }
    case kCompareSet: {
      const std::string key = parser.string(), expected = parser.string(), desired = parser.string();
      const auto found = values.find(key);
      const bool swaps = found == values.end() ? expected.empty() : found->second == expected;
      const std::string now = swaps ? desired : found == values.end() ? expected : found->second;
      if (swaps) store(key, desired);
      client.answer_string(now);
      break;
    }
    case kGet: {
      const auto found = values.find(parser.string());
      if (found == values.end()) throw Garbage();
      client.answer_string(found->second);
      break;
    }
    case kAdd: {
      const std::string key = parser.string();
      client.answer_number<int64_t>(add(key, parser.number<int64_t>()));
      break;
    }
    case kCheck:
      client.answer_number(has_all(parser.strings()) ? kReady : kNotReady);
      break;
    case kWait: {
      std::vector<std::string> keys = parser.strings();
      if (has_all(keys)) {
        client.answer_number(kStopWaiting);
      } else {
        client.waits_for = std::move(keys);
      }
      break;
    }
    case kGetNumKeys:
      client.answer_number<int64_t>(static_cast<int64_t>(values.size()));
      break;
    case kDeleteKey: {
      const auto found = values.find(parser.string());
      if (found != values.end()) stored -= found->first.size() + found->second.size();
      client.answer_number<int64_t>(found == values.end() ? 0 : 1);
      if (found != values.end()) values.erase(found);
      break;
    }
    case kAppend: {
      const std::string key = parser.string(), more = parser.string();
      const auto found = values.find(key);
      store(key, (found == values.end() ? "" : found->second) + more);
      break;
    }
    case kMultiGet:
      for (const std::string& key : parser.strings()) {
        const auto found = values.find(key);
        if (found == values.end() || client.out.size() > kMostUnread) throw Garbage();
        client.answer_string(found->second);
      }
      break;
    case kMultiSet: {
      std::vector<std::pair<std::string, std::string>> pairs;
      for (uint64_t left = parser.number<uint64_t>(); left > 0; --left) {
        std::string key = parser.string();
        pairs.emplace_back(std::move(key), parser.string());
      }
      for (auto& [key, value] : pairs) store(key, std::move(value));
      break;
    }
    case kCancelWait:
      client.waits_for.clear();
      client.answer_number(kWaitCancelled);
      break;
    case kPing:
      client.answer_number(parser.number<uint32_t>());
      break;
    default:
      throw Garbage();
  }
}

/// False: the client is gone, or is to go.
bool StoreServer::Impl::read(Client& client, Deadline now) {
  char bytes[1 << 16];
  for (size_t taken = 0; taken < kReadAtOnce;) {
    const ssize_t got = recv(client.socket.descriptor(), bytes, sizeof(bytes), 0);
    if (got == 0) return false;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
    if (client.in.empty() && client.introduced) client.due = now + kTimeToFinish;
    client.last_heard = now;
    client.in.append(bytes, static_cast<size_t>(got));
    taken += static_cast<size_t>(got);
    size_t used = 0;
    try {
      while (client.scanner.scan(std::string_view(client.in).substr(used))) {
        serve(client, std::string_view(client.in).substr(used, client.scanner.size()));
        used += client.scanner.size();
        client.scanner = {};
        client.due = now + kTimeToFinish;
      }
    } catch (const Garbage&) {
      return false;
    }
    client.in.erase(0, used);
    if (client.out.size() > kMostUnread) return false;
    if (!client.introduced && client.in.size() > 64) return false;
  }
  return true;
}

bool StoreServer::Impl::write(Client& client) {
  while (!client.out.empty()) {
    const ssize_t sent = send(client.socket.descriptor(), client.out.data(), client.out.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
    client.out.erase(0, static_cast<size_t>(sent));
  }
  return true;
}

/// Whoever holds most of what is not finished goes first: honest requests are small.
void StoreServer::Impl::limit_unfinished() {
  size_t held = 0;
  for (const Client& client : clients) held += client.unfinished();
  while (held > kMostUnfinishedBytes) {
    const auto largest = std::max_element(clients.begin(), clients.end(), [](const Client& a, const Client& b) {
      return a.unfinished() < b.unfinished();
    });
    held -= largest->unfinished();
    clients.erase(largest);
  }
}

/// A place for one more: of those who have never asked for anything the one that came first goes; else, where half of
/// the places are taken from one address and the newcomer is from another, the one there that was silent longest.
bool StoreServer::Impl::make_room(const std::string& newcomer) {
  const Deadline now = std::chrono::steady_clock::now();
  const auto idle = std::find_if(clients.begin(), clients.end(), [now](const Client& client) {
    return !client.has_asked && now - client.came > kTimeToAsk;
  });
  if (idle != clients.end()) {
    clients.erase(idle);
    return true;
  }
  std::map<std::string, size_t> counts;
  for (const Client& client : clients) ++counts[client.address];
  const auto most =
      std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == counts.end() || most->first == newcomer || 2 * most->second < places) return false;
  auto silent = clients.end();
  for (auto client = clients.begin(); client != clients.end(); ++client) {
    if (client->address == most->first && (silent == clients.end() || client->last_heard < silent->last_heard))
      silent = client;
  }
  clients.erase(silent);
  return true;
}

void StoreServer::Impl::accept_all(Deadline now) {
  try {
    while (std::optional<Socket> socket = accept_from(listener)) {
      std::string address = socket->peer().host;
      if (clients.size() >= places && !make_room(address)) continue;
      Client& client = clients.emplace_back();
      client.socket = std::move(*socket);
      client.address = std::move(address);
      client.due = now + kTimeToIntroduce;
      client.came = client.last_heard = now;
    }
  } catch (const Error& error) {
    // Whoever waits in the backlog stays there; without a pause poll() would return at once for it.
    accepts_from = now + kPauseWithoutFiles;
    if (make_room("")) return;
    if (!told_of_files)
      write_console(stderr, fmt::format("bevgrad: store at {}: {}\n", listener.local().text(), error.what()));
    told_of_files = true;
  }
}

void StoreServer::Impl::run() {
  std::vector<pollfd> waits;
  while (!stop) {
    const bool accepts = std::chrono::steady_clock::now() >= accepts_from;
    waits = {{wake.descriptor(), POLLIN, 0}, {listener.descriptor(), static_cast<short>(accepts ? POLLIN : 0), 0}};
    for (const Client& client : clients)
      waits.push_back(
          {client.socket.descriptor(), static_cast<short>(client.out.empty() ? POLLIN : POLLIN | POLLOUT), 0});
    if (poll(waits.data(), waits.size(), accepts ? 1000 : milliseconds_left(accepts_from)) < 0) continue;
    const Deadline now = std::chrono::steady_clock::now();
    size_t index = 2;
    for (auto client = clients.begin(); client != clients.end();) {
      const bool is_ready = waits[index++].revents != 0;
      const bool is_late = now > client->due && (!client->introduced || !client->in.empty());
      const bool stays = (!is_ready || read(*client, now)) && !is_late;
      client = stays ? std::next(client) : clients.erase(client);
    }
    limit_unfinished();
    if (waits[1].revents != 0) accept_all(now);
    for (auto client = clients.begin(); client != clients.end();)
      client = write(*client) ? std::next(client) : clients.erase(client);
  }
}

StoreServer::StoreServer(const Endpoint& at, std::chrono::milliseconds time) : impl_(std::make_unique<Impl>()) {
  impl_->listener = listen_on(at, deadline_in(time));
  impl_->wake = Socket(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  check(impl_->wake.is_open(), "store at {}: cannot make an event: {}", at.text(), std::strerror(errno));
  const size_t files = raise_open_files();
  impl_->places = files > 2 * kFilesForOthers ? std::min(kMostClients, files - kFilesForOthers) : kMostClients;
  impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
}

StoreServer::~StoreServer() {
  impl_->stop = true;
  const uint64_t one = 1;
  if (::write(impl_->wake.descriptor(), &one, sizeof(one)) < 0) impl_->stop = true;  // it wakes by itself within 1 s
  impl_->thread.join();
}

Endpoint StoreServer::endpoint() const {
  return impl_->listener.local();
}

}  // namespace bevgrad
