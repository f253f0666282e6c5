// Connections from this rank to every other one, and messages over them. Only ranks that know the run's secret get in.
#pragma once
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "distributed/socket.h"
#include "distributed/tcp_store.h"

namespace bevgrad {

/// Another rank is gone or does not answer: not this rank's own failure.
class PeerLost : public Error {
 public:
  PeerLost(int peer, bool silent, const std::string& message) : Error(message), peer_(peer), silent_(silent) {}
  /// Who; -1 where that is not known.
  int peer() const { return peer_; }
  /// It still holds its connection, but nothing came in time.
  bool silent() const { return silent_; }

 private:
  int peer_;
  bool silent_;
};

/// How a mesh is made.
struct MeshOptions {
  std::string name;     ///< meshes of one run have names of their own
  std::string prefix;   ///< of its keys in the store
  std::string secret;   ///< 32 bytes that the ranks share
  std::string address;  ///< where this rank listens
  int rank = 0, size = 1;
  std::chrono::milliseconds timeout{0};
  /// Asked when a wait's time has passed: how much longer to wait because other ranks get on with something else. 0:
  /// not at all. Without it nobody is waited for longer.
  std::function<std::chrono::milliseconds()> patience = {};
};

/// Messages to and from the other ranks. One thread at a time; bytes move only while it waits.
class Mesh {
 public:
  /// Counts of a buffer's messages that are done.
  struct Tally {
    int64_t sent = 0, received = 0;
    int last_source = -1;
  };

  /// Listens, publishes the address in the store, connects to all and closes the listener. Connections that do not
  /// prove to be of this run are closed and counted. Throws PeerLost naming the ranks that did not come.
  Mesh(const MeshOptions& options, StoreClient& store);

  /// Starts a message; `data` must stay until the tally has counted it. Messages between two ranks arrive in order; a
  /// receiver that asks for another tag or size than was sent is an Error.
  void send(int to, uint64_t tag, const void* data, size_t size, const std::shared_ptr<Tally>& tally);
  void receive(int from, uint64_t tag, void* data, size_t size, const std::shared_ptr<Tally>& tally);
  /// Moves bytes until the tally has reached both counts. Throws PeerLost.
  void wait_sent(const Tally& tally, int64_t count, std::chrono::milliseconds time);
  void wait_received(const Tally& tally, int64_t count, std::chrono::milliseconds time);

  /// Ranks that have closed their connection, or that the system has given up. Only where nothing is being received.
  std::vector<int> hung_up() const;

  int rank() const { return options_.rank; }
  int size() const { return options_.size; }
  std::chrono::milliseconds timeout() const { return options_.timeout; }
  /// Strangers that were turned away while the mesh was made.
  int strangers() const { return strangers_; }
  /// Bytes sent so far.
  int64_t bytes_sent() const { return bytes_sent_; }

 private:
  struct Header {
    uint64_t tag;
    uint64_t size;
  };
  struct Outgoing {
    Header header;
    const char* data;
    size_t done;  // bytes of header and data that are on their way
    std::shared_ptr<Tally> tally;
  };
  struct Incoming {
    uint64_t tag;
    char* data;
    size_t size;
    std::shared_ptr<Tally> tally;
  };
  struct Peer {
    Socket socket;
    std::deque<Outgoing> outgoing;
    std::deque<Incoming> incoming;
    Header header = {};
    size_t header_bytes = 0, data_bytes = 0;
  };

  void connect(StoreClient& store, Deadline deadline);
  void accept_all(const Socket& listener, Deadline deadline);
  void move(Deadline& deadline, std::chrono::milliseconds time);
  void write_to(int rank);
  void read_from(int rank);
  std::vector<int> waited_for() const;

  MeshOptions options_;
  std::vector<Peer> peers_;
  int strangers_ = 0;
  int64_t bytes_sent_ = 0;
};

}  // namespace bevgrad
