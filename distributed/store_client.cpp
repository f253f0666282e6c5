#include <cstring>
#include <random>
#include <thread>

#include "base/error.h"
#include "distributed/tcp_store.h"
#include "internal/store_wire.h"

namespace bevgrad {

using namespace store_wire;

/// Bytes of one request.
class StoreClient::Request {
 public:
  explicit Request(Code code) { bytes_.push_back(static_cast<char>(code)); }
  Request& number(uint64_t value) { return raw(&value, sizeof(value)); }
  Request& word(uint32_t value) { return raw(&value, sizeof(value)); }
  Request& string(const std::string& value) {
    number(value.size());
    bytes_ += value;
    return *this;
  }
  void send(const Socket& socket, Deadline deadline) const { socket.send(bytes_.data(), bytes_.size(), deadline); }

 private:
  Request& raw(const void* data, size_t size) {
    bytes_.append(static_cast<const char*>(data), size);
    return *this;
  }
  std::string bytes_;
};

StoreClient::StoreClient(const Endpoint& at, std::chrono::milliseconds time) : at_(at), time_(time) {
  const Deadline deadline = deadline_in(time);
  std::random_device random;
  const uint32_t nonce = random();
  // A backlog that is full, or a server that is just going, drops the first words: then again.
  for (;;) {
    socket_ = connect_to(at, deadline);
    try {
      Request(kValidate).word(kMagic).send(socket_, deadline);
      Request(kPing).word(nonce).send(socket_, deadline);
      uint32_t answer = 0;
      socket_.receive(&answer, sizeof(answer), deadline);
      check(answer == nonce, "it answered a ping with another number");
      return;
    } catch (const Error& error) {
      check(milliseconds_left(deadline) > 0, "store at {}: {}, expected a TCPStore of PyTorch 2.1 or newer", at.text(),
            error.what());
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }
}

template <class Call>
auto StoreClient::exchange(const char* what, const std::string& key, Call&& call) {
  const std::lock_guard lock(mutex_);
  check(!broken_, "store at {}: the connection broke before", at_.text());
  try {
    return call();
  } catch (const std::exception& error) {
    broken_ = true;  // half an answer may be on its way
    fail("store at {}: {} {}: {}", at_.text(), what, key, error.what());
  }
}

std::string StoreClient::receive_string(Deadline deadline) {
  uint64_t size = 0;
  socket_.receive(&size, sizeof(size), deadline);
  check(size <= kMostValueBytes, "a value of {} bytes was announced", size);
  std::string value(size, '\0');
  socket_.receive(value.data(), value.size(), deadline);
  return value;
}

std::string StoreClient::get_locked(const std::string& key) {
  const Deadline deadline = deadline_in(time_);
  Request(kGet).string(key).send(socket_, deadline);
  return receive_string(deadline);
}

bool StoreClient::wait_locked(const std::vector<std::string>& keys, std::chrono::milliseconds time) {
  Request request(kWait);
  request.number(keys.size());
  for (const std::string& key : keys) request.string(key);
  request.send(socket_, deadline_in(time_));
  uint8_t answer = 0;
  try {
    socket_.receive(&answer, 1, deadline_in(time));
    check(answer == kStopWaiting, "it answered {} to a wait", answer);
    return true;
  } catch (const Error& error) {
    if (std::strstr(error.what(), "timed out") == nullptr) throw;
  }
  // Not in time. The answer may be on its way while we take the question back: then both come.
  const Deadline deadline = deadline_in(time_);
  Request(kCancelWait).send(socket_, deadline);
  bool came = false;
  do {
    socket_.receive(&answer, 1, deadline);
    came = came || answer == kStopWaiting;
  } while (answer != kWaitCancelled);
  return came;
}

void StoreClient::set(const std::string& key, const std::string& value) {
  check(key.size() <= kMostKeyBytes && value.size() <= kMostValueBytes, "store: {} with {} bytes is too large", key,
        value.size());
  exchange("set", key, [&] { Request(kSet).string(key).string(value).send(socket_, deadline_in(time_)); });
}

std::string StoreClient::get(const std::string& key, std::chrono::milliseconds time) {
  return exchange("get", key, [&] {
    check(wait_locked({key}, time), "nobody has set it within {} s", static_cast<double>(time.count()) / 1000);
    return get_locked(key);
  });
}

bool StoreClient::has_locked(const std::string& key) {
  const Deadline deadline = deadline_in(time_);
  Request(kCheck).number(1).string(key).send(socket_, deadline);
  uint8_t answer = 0;
  socket_.receive(&answer, 1, deadline);
  return answer == kReady;
}

std::string StoreClient::peek(const std::string& key) {
  return exchange("get", key, [&] { return has_locked(key) ? get_locked(key) : std::string(); });
}

int64_t StoreClient::add(const std::string& key, int64_t amount) {
  return exchange("add", key, [&] {
    const Deadline deadline = deadline_in(time_);
    Request(kAdd).string(key).number(static_cast<uint64_t>(amount)).send(socket_, deadline);
    int64_t sum = 0;
    socket_.receive(&sum, sizeof(sum), deadline);
    return sum;
  });
}

bool StoreClient::has(const std::string& key) {
  return exchange("check", key, [&] { return has_locked(key); });
}

bool StoreClient::wait(const std::vector<std::string>& keys, std::chrono::milliseconds time) {
  return exchange("wait for", keys.empty() ? "" : keys.front(), [&] { return wait_locked(keys, time); });
}

std::string StoreClient::compare_set(const std::string& key, const std::string& expected, const std::string& value) {
  return exchange("compare_set", key, [&] {
    const Deadline deadline = deadline_in(time_);
    Request(kCompareSet).string(key).string(expected).string(value).send(socket_, deadline);
    return receive_string(deadline);
  });
}

bool StoreClient::remove(const std::string& key) {
  return exchange("delete", key, [&] {
    const Deadline deadline = deadline_in(time_);
    Request(kDeleteKey).string(key).send(socket_, deadline);
    int64_t count = 0;
    socket_.receive(&count, sizeof(count), deadline);
    return count > 0;
  });
}

}  // namespace bevgrad
