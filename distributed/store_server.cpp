#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <list>
#include <map>
#include <optional>
#include <thread>

#include "base/error.h"
#include "distributed/tcp_store.h"
#include "internal/store_wire.h"

namespace bevgrad {

using namespace store_wire;

namespace {

constexpr size_t kMostClients = 4096;
constexpr size_t kMostUnread = size_t{32} << 20;  // answers that a client does not fetch
constexpr auto kTimeToIntroduce = std::chrono::seconds(10);

/// Not all bytes of a request have come yet.
struct Incomplete {};
/// What came is no request.
struct Garbage {};

/// Reads a request from the bytes that have come so far.
class Parser {
 public:
  Parser(const char* data, size_t size) : next_(data), end_(data + size) {}

  template <class T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof(T)), sizeof(T));
    return value;
  }
  std::string key() { return string(kMostKeyBytes); }
  std::string value() { return string(kMostValueBytes); }
  uint64_t count() {
    const auto count = number<uint64_t>();
    if (count > kMostKeys) throw Garbage();
    return count;
  }
  std::vector<std::string> keys() {
    std::vector<std::string> keys(0);
    for (uint64_t left = count(); left > 0; --left) keys.push_back(key());
    return keys;
  }
  const char* next() const { return next_; }

 private:
  const char* take(size_t size) {
    if (static_cast<size_t>(end_ - next_) < size) throw Incomplete();
    const char* taken = next_;
    next_ += size;
    return taken;
  }
  std::string string(uint64_t most) {
    const auto size = number<uint64_t>();
    if (size > most) throw Garbage();
    return std::string(take(size), size);
  }

  const char* next_;
  const char* end_;
};

struct Client {
  Socket socket;
  Deadline introduced_by;
  bool introduced = false;
  std::string in, out;
  std::vector<std::string> waits_for;

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
  bool read(Client& client);
  bool write(Client& client);
  void serve(Client& client, Parser& parser);
  int64_t add(const std::string& key, int64_t amount);
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

void StoreServer::Impl::serve(Client& client, Parser& parser) {
  const auto code = parser.number<uint8_t>();
  if (!client.introduced && code != kValidate) throw Garbage();
  switch (code) {
    case kValidate:
      if (parser.number<uint32_t>() != kMagic) throw Garbage();
      client.introduced = true;
      break;
    case kSet: {
      const std::string key = parser.key();
      store(key, parser.value());
      break;
    }
    case kCompareSet: {
      const std::string key = parser.key(), expected = parser.value(), desired = parser.value();
      const auto found = values.find(key);
      const bool swaps = found == values.end() ? expected.empty() : found->second == expected;
      const std::string now = swaps ? desired : found == values.end() ? expected : found->second;
      if (swaps) store(key, desired);
      client.answer_string(now);
      break;
    }
    case kGet: {
      const auto found = values.find(parser.key());
      if (found == values.end()) throw Garbage();
      client.answer_string(found->second);
      break;
    }
    case kAdd: {
      const std::string key = parser.key();
      client.answer_number<int64_t>(add(key, parser.number<int64_t>()));
      break;
    }
    case kCheck:
      client.answer_number(has_all(parser.keys()) ? kReady : kNotReady);
      break;
    case kWait: {
      std::vector<std::string> keys = parser.keys();
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
      const auto found = values.find(parser.key());
      if (found != values.end()) stored -= found->first.size() + found->second.size();
      client.answer_number<int64_t>(found == values.end() ? 0 : 1);
      if (found != values.end()) values.erase(found);
      break;
    }
    case kAppend: {
      const std::string key = parser.key(), more = parser.value();
      const auto found = values.find(key);
      store(key, (found == values.end() ? "" : found->second) + more);
      break;
    }
    case kMultiGet:
      for (const std::string& key : parser.keys()) {
        const auto found = values.find(key);
        if (found == values.end() || client.out.size() > kMostUnread) throw Garbage();
        client.answer_string(found->second);
      }
      break;
    case kMultiSet: {
      std::vector<std::pair<std::string, std::string>> pairs;
      for (uint64_t left = parser.count(); left > 0; --left) {
        std::string key = parser.key();
        pairs.emplace_back(std::move(key), parser.value());
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
bool StoreServer::Impl::read(Client& client) {
  char bytes[1 << 16];
  for (;;) {
    const ssize_t got = recv(client.socket.descriptor(), bytes, sizeof(bytes), 0);
    if (got == 0) return false;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
    client.in.append(bytes, static_cast<size_t>(got));
    size_t used = 0;
    try {
      // A request that is not whole is parsed from its start again when more has come; only a large value comes in
      // pieces.
      while (used < client.in.size()) {
        Parser parser(client.in.data() + used, client.in.size() - used);
        serve(client, parser);
        used = static_cast<size_t>(parser.next() - client.in.data());
      }
    } catch (const Incomplete&) {
    } catch (const Garbage&) {
      return false;
    }
    client.in.erase(0, used);
    if (client.in.size() > 2 * kMostValueBytes + kMostKeyBytes || client.out.size() > kMostUnread) return false;
    if (!client.introduced && client.in.size() > 64) return false;
  }
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

void StoreServer::Impl::run() {
  std::vector<pollfd> waits;
  while (!stop) {
    waits = {{wake.descriptor(), POLLIN, 0}, {listener.descriptor(), POLLIN, 0}};
    for (const Client& client : clients)
      waits.push_back(
          {client.socket.descriptor(), static_cast<short>(client.out.empty() ? POLLIN : POLLIN | POLLOUT), 0});
    if (poll(waits.data(), waits.size(), 1000) < 0) continue;
    const Deadline now = std::chrono::steady_clock::now();
    size_t index = 2;
    for (auto client = clients.begin(); client != clients.end();) {
      const bool is_ready = waits[index++].revents != 0;
      const bool stays = (!is_ready || read(*client)) && (client->introduced || now < client->introduced_by);
      client = stays ? std::next(client) : clients.erase(client);
    }
    if (waits[1].revents != 0) {
      while (std::optional<Socket> socket = accept_from(listener)) {
        if (clients.size() >= kMostClients) continue;
        clients.push_back({std::move(*socket), now + kTimeToIntroduce, false, {}, {}, {}});
      }
    }
    for (auto client = clients.begin(); client != clients.end();)
      client = write(*client) ? std::next(client) : clients.erase(client);
  }
}

StoreServer::StoreServer(const Endpoint& at) : impl_(std::make_unique<Impl>()) {
  impl_->listener = listen_on(at);
  impl_->wake = Socket(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  check(impl_->wake.is_open(), "store at {}: cannot make an event: {}", at.text(), std::strerror(errno));
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
