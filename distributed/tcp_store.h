// A small table of keys and values that the processes of a run share, by the wire protocol of PyTorch's TCPStore (as
// spoken from 2.1 on): a client of torchrun's agent, or of our own server where there is no agent.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "distributed/socket.h"

namespace bevgrad {

/// One connection; safe to share between threads, which take turns. Every call throws Error naming the store's address.
class StoreClient {
 public:
  /// Tries until the store is there. `time` is also how long each later call may take, unless that is given apart.
  StoreClient(const Endpoint& at, std::chrono::milliseconds time);
  StoreClient(const Endpoint& at, std::chrono::milliseconds time, std::chrono::milliseconds call_time)
      : StoreClient(at, time) {
    time_ = call_time;
  }

  void set(const std::string& key, const std::string& value);
  /// Waits until the key is there, `time` at most.
  std::string get(const std::string& key, std::chrono::milliseconds time);
  /// The value, or "" where the key is not there.
  std::string peek(const std::string& key);
  /// Adds to a number that starts at 0, returns the sum.
  int64_t add(const std::string& key, int64_t amount);
  bool has(const std::string& key);
  /// Waits for the keys. False where they are not all there in time.
  bool wait(const std::vector<std::string>& keys, std::chrono::milliseconds time);
  /// Writes `value` where the key holds `expected` ("": is not there); returns what it holds then.
  std::string compare_set(const std::string& key, const std::string& expected, const std::string& value);
  bool remove(const std::string& key);

  const Endpoint& endpoint() const { return at_; }
  /// This end's address: the interface by which the store is reached.
  std::string local_address() const { return socket_.local().host; }

 private:
  class Request;
  template <class Call>
  auto exchange(const char* what, const std::string& key, Call&& call);
  std::string receive_string(Deadline deadline);
  bool wait_locked(const std::vector<std::string>& keys, std::chrono::milliseconds time);
  std::string get_locked(const std::string& key);
  bool has_locked(const std::string& key);

  Endpoint at_;
  std::chrono::milliseconds time_;
  std::mutex mutex_;
  Socket socket_;
  bool broken_ = false;
};

/// Serves a store from a thread of its own until it is destroyed. Listens on the address of `at` alone. Whoever sends
/// what is no request, or more than the limits allow (keys of 8 KiB, values of 8 MiB, 64 MiB in all), is disconnected.
/// So is who does not say within 10 s who it is, or within 60 s the rest of a request; where the requests and answers
/// under way pass 64 MiB, who holds most of them; and where all places are taken (4096, or what the limit of open files
/// allows), who has never asked for anything.
class StoreServer {
 public:
  /// Tries until `time` has passed where the name of `at` is not known (yet).
  explicit StoreServer(const Endpoint& at, std::chrono::milliseconds time = {});
  ~StoreServer();
  StoreServer(const StoreServer&) = delete;
  StoreServer& operator=(const StoreServer&) = delete;

  /// Where it listens, with the port that it got.
  Endpoint endpoint() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bevgrad
