#include "distributed/mesh.h"

#include <fmt/ranges.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <list>

#include "base/error.h"
#include "internal/seconds.h"

namespace bevgrad {
namespace {

constexpr size_t kSecretBytes = 32;
constexpr size_t kMostPending = 128;
constexpr auto kTimeOfIntroduction = std::chrono::seconds(5);

/// The first words of a connection.
struct Introduction {
  char magic[8];
  char secret[kSecretBytes];
  uint64_t mesh;
  int32_t from, to;
};

/// FNV-1a: tells meshes of one run apart.
uint64_t hash_of(const std::string& text) {
  uint64_t hash = 14695981039346656037u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return hash;
}

Introduction introduction(const MeshOptions& options, int from, int to) {
  Introduction words = {{'B', 'E', 'V', 'M', 'E', 'S', 'H', '1'}, {}, hash_of(options.name), from, to};
  check(options.secret.size() == kSecretBytes, "mesh: the secret has {} bytes, expected {}", options.secret.size(),
        kSecretBytes);
  std::memcpy(words.secret, options.secret.data(), kSecretBytes);
  return words;
}

/// Takes the same time wherever the first difference is.
bool same_bytes(const void* a, const void* b, size_t size) {
  unsigned difference = 0;
  for (size_t i = 0; i < size; ++i)
    difference |=
        static_cast<unsigned>(static_cast<const unsigned char*>(a)[i] ^ static_cast<const unsigned char*>(b)[i]);
  return difference == 0;
}

struct Caller {
  Socket socket;
  Deadline introduced_by;
  char bytes[sizeof(Introduction)] = {};
  size_t size = 0;
};

}  // namespace

Mesh::Mesh(const MeshOptions& options, StoreClient& store)
    : options_(options), peers_(static_cast<size_t>(options.size)) {
  const Deadline deadline = deadline_in(options.timeout);
  // Whoever calls waits in the backlog until its turn comes, so that nobody waits for another in a circle.
  const Socket listener = listen_on({options.address, 0});
  store.set(fmt::format("{}mesh/{}/{}", options.prefix, options.name, options.rank), listener.local().text());
  connect(store, deadline);
  accept_all(listener, deadline);
}

void Mesh::connect(StoreClient& store, Deadline deadline) {
  for (int peer = 0; peer < options_.rank; ++peer) {
    const std::string key = fmt::format("{}mesh/{}/{}", options_.prefix, options_.name, peer);
    if (!store.wait({key}, std::chrono::milliseconds(milliseconds_left(deadline))))
      throw PeerLost(
          peer, true,
          fmt::format("rank {} has not said within {} s where it listens", peer, in_seconds(options_.timeout)));
    const Endpoint at = parse_endpoint(store.peek(key));
    try {
      Socket socket = connect_to(at, deadline);
      const Introduction words = introduction(options_, options_.rank, peer);
      socket.send(&words, sizeof(words), deadline);
      peers_[static_cast<size_t>(peer)].socket = std::move(socket);
    } catch (const Error& error) {
      throw PeerLost(peer, true, fmt::format("cannot reach rank {}: {}", peer, error.what()));
    }
  }
}

void Mesh::accept_all(const Socket& listener, Deadline deadline) {
  std::list<Caller> callers;
  const auto missing = [&] {
    std::vector<int> ranks;
    for (int peer = options_.rank + 1; peer < options_.size; ++peer)
      if (!peers_[static_cast<size_t>(peer)].socket.is_open()) ranks.push_back(peer);
    return ranks;
  };
  for (std::vector<int> left = missing(); !left.empty(); left = missing()) {
    if (milliseconds_left(deadline) == 0)
      throw PeerLost(
          left.front(), true,
          fmt::format("no connection from rank {} within {} s", fmt::join(left, ", "), in_seconds(options_.timeout)));
    std::vector<pollfd> waits = {{listener.descriptor(), POLLIN, 0}};
    for (const Caller& caller : callers) waits.push_back({caller.socket.descriptor(), POLLIN, 0});
    if (poll(waits.data(), waits.size(), std::min(200, milliseconds_left(deadline))) < 0) continue;
    for (auto caller = callers.begin(); caller != callers.end();) {
      const ssize_t got =
          recv(caller->socket.descriptor(), caller->bytes + caller->size, sizeof(caller->bytes) - caller->size, 0);
      if (got > 0) caller->size += static_cast<size_t>(got);
      const bool broken = got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
      const bool late = std::chrono::steady_clock::now() > caller->introduced_by;
      if (caller->size < sizeof(Introduction) && !broken && !late) {
        ++caller;
        continue;
      }
      Introduction words;
      std::memcpy(&words, caller->bytes, sizeof(words));
      const bool fits = caller->size == sizeof(words) && words.from > options_.rank && words.from < options_.size;
      const Introduction wanted = introduction(options_, fits ? words.from : 0, options_.rank);
      Socket* place = fits ? &peers_[static_cast<size_t>(words.from)].socket : nullptr;
      if (place && !place->is_open() && same_bytes(&words, &wanted, sizeof(words))) {
        *place = std::move(caller->socket);
      } else {
        ++strangers_;
      }
      caller = callers.erase(caller);
    }
    if (waits[0].revents != 0) {
      while (std::optional<Socket> socket = accept_from(listener)) {
        if (callers.size() >= kMostPending) callers.pop_front();
        callers.push_back({std::move(*socket), deadline_in(kTimeOfIntroduction)});
      }
    }
  }
}

void Mesh::send(int to, uint64_t tag, const void* data, size_t size, const std::shared_ptr<Tally>& tally) {
  peers_.at(static_cast<size_t>(to)).outgoing.push_back({{tag, size}, static_cast<const char*>(data), 0, tally});
  write_to(to);
}

void Mesh::receive(int from, uint64_t tag, void* data, size_t size, const std::shared_ptr<Tally>& tally) {
  peers_.at(static_cast<size_t>(from)).incoming.push_back({tag, static_cast<char*>(data), size, tally});
}

void Mesh::write_to(int rank) {
  Peer& peer = peers_[static_cast<size_t>(rank)];
  while (!peer.outgoing.empty()) {
    Outgoing& message = peer.outgoing.front();
    const size_t header = sizeof(Header), total = header + message.header.size;
    while (message.done < total) {
      iovec parts[2];
      int count = 0;
      if (message.done < header)
        parts[count++] = {reinterpret_cast<char*>(&message.header) + message.done, header - message.done};
      const size_t data_done = message.done < header ? 0 : message.done - header;
      if (data_done < message.header.size)
        parts[count++] = {const_cast<char*>(message.data) + data_done, message.header.size - data_done};
      msghdr words = {};
      words.msg_iov = parts;
      words.msg_iovlen = static_cast<size_t>(count);
      const ssize_t sent = sendmsg(peer.socket.descriptor(), &words, MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
      if (sent < 0)
        throw PeerLost(rank, false, fmt::format("the connection to rank {} broke: {}", rank, std::strerror(errno)));
      message.done += static_cast<size_t>(sent);
      bytes_sent_ += sent;
    }
    ++message.tally->sent;
    peer.outgoing.pop_front();
  }
}

void Mesh::read_from(int rank) {
  Peer& peer = peers_[static_cast<size_t>(rank)];
  // What nobody has asked for yet stays in the socket.
  while (!peer.incoming.empty()) {
    Incoming& wanted = peer.incoming.front();
    const bool in_header = peer.header_bytes < sizeof(Header);
    if (!in_header && peer.data_bytes == peer.header.size) {
      ++wanted.tally->received;
      wanted.tally->last_source = rank;
      peer.incoming.pop_front();
      peer.header_bytes = peer.data_bytes = 0;
      continue;
    }
    char* to = in_header ? reinterpret_cast<char*>(&peer.header) + peer.header_bytes : wanted.data + peer.data_bytes;
    const size_t room = in_header ? sizeof(Header) - peer.header_bytes : peer.header.size - peer.data_bytes;
    const ssize_t got = recv(peer.socket.descriptor(), to, room, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (got == 0) throw PeerLost(rank, false, fmt::format("rank {} closed its connection", rank));
    if (got < 0)
      throw PeerLost(rank, false, fmt::format("the connection to rank {} broke: {}", rank, std::strerror(errno)));
    (in_header ? peer.header_bytes : peer.data_bytes) += static_cast<size_t>(got);
    if (in_header && peer.header_bytes == sizeof(Header))
      check(peer.header.tag == wanted.tag && peer.header.size == wanted.size,
            "rank {} sent message {:x} of {} bytes where {:x} of {} was expected: the ranks do not do the same", rank,
            peer.header.tag, peer.header.size, wanted.tag, wanted.size);
  }
}

std::vector<int> Mesh::waited_for() const {
  std::vector<int> ranks;
  for (int rank = 0; rank < options_.size; ++rank) {
    const Peer& peer = peers_[static_cast<size_t>(rank)];
    if (!peer.incoming.empty() || !peer.outgoing.empty()) ranks.push_back(rank);
  }
  return ranks;
}

std::vector<int> Mesh::hung_up() const {
  std::vector<int> ranks;
  for (int rank = 0; rank < options_.size; ++rank) {
    const Peer& peer = peers_[static_cast<size_t>(rank)];
    char byte;
    const ssize_t got = peer.socket.is_open() ? recv(peer.socket.descriptor(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) : 1;
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) ranks.push_back(rank);
  }
  return ranks;
}

void Mesh::move(Deadline& deadline, std::chrono::milliseconds time) {
  std::vector<pollfd> waits;
  std::vector<int> ranks;
  for (int rank = 0; rank < options_.size; ++rank) {
    const Peer& peer = peers_[static_cast<size_t>(rank)];
    if (!peer.socket.is_open()) continue;
    // One from whom nothing is wanted may have come to its end and left.
    const int events = (peer.incoming.empty() ? 0 : POLLIN) | (peer.outgoing.empty() ? 0 : POLLOUT);
    if (events == 0) continue;
    waits.push_back({peer.socket.descriptor(), static_cast<short>(events), 0});
    ranks.push_back(rank);
  }
  const int ready = poll(waits.data(), waits.size(), milliseconds_left(deadline));
  if (ready < 0 && errno == EINTR) return;
  if (ready == 0 && milliseconds_left(deadline) == 0) {
    if (const auto more = options_.patience ? options_.patience() : std::chrono::milliseconds(0); more.count() > 0) {
      deadline = deadline_in(more);
      return;
    }
    const std::vector<int> silent = waited_for();
    throw PeerLost(silent.empty() ? -1 : silent.front(), true,
                   fmt::format("nothing from rank {} within {} s", fmt::join(silent, ", "), in_seconds(time)));
  }
  for (size_t i = 0; i < waits.size(); ++i) {
    if (waits[i].revents == 0) continue;
    write_to(ranks[i]);
    read_from(ranks[i]);
  }
}

void Mesh::wait_sent(const Tally& tally, int64_t count, std::chrono::milliseconds time) {
  Deadline deadline = deadline_in(time);
  while (tally.sent < count) move(deadline, time);
}

void Mesh::wait_received(const Tally& tally, int64_t count, std::chrono::milliseconds time) {
  Deadline deadline = deadline_in(time);
  while (tally.received < count) move(deadline, time);
}

}  // namespace bevgrad
