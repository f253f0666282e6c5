// Where the ranks of one communicator meet: a folder of shared memory that the unique id names. It holds a board of
// counters, one locked file a rank (the lock goes with the rank, however it ends), and what the ranks give one another.
#pragma once
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace bevgrad::emulation::nccl {

constexpr int kMostRanks = 16;

/// A call as all ranks must make it.
struct Description {
  char call[24] = {};
  uint64_t count = 0;
  int32_t type = 0;
  int32_t op = -1;    // -1: none
  int32_t root = -1;  // -1: none

  bool operator==(const Description&) const = default;
  /// "ncclAllReduce of 10 ncclFloat32, ncclSum"
  std::string text() const;
};

struct Parcel {
  Description description;
  std::vector<char> bytes;
};

class Clique {
 public:
  /// Makes a new folder; returns its name.
  static std::string found();

  /// `device` is the rank's, by a name that no other on this machine has.
  Clique(const std::string& name, int rank, int size, const std::string& device);
  /// The last one out removes the folder.
  ~Clique();
  Clique(const Clique&) = delete;
  Clique& operator=(const Clique&) = delete;

  /// Gives up the lock: for the others this rank is gone.
  void leave();

  int rank() const { return rank_; }
  int size() const { return size_; }
  bool all_joined() const;
  /// "" or the ranks that share a device.
  std::string shared_device() const;
  /// Whether a rank that joined is gone.
  bool is_lost(int rank) const;

  /// Collective number `index` of this rank: what it gives to all.
  void post(uint64_t index, const Parcel& parcel);
  bool has_posted(int rank, uint64_t index) const;
  Parcel posted(int rank, uint64_t index) const;
  /// Nobody needs this rank's parcel any more.
  void remove(uint64_t index);

  void send(int to, uint64_t index, const Parcel& parcel);
  bool has_sent(int from, uint64_t index) const;
  Parcel receive(int from, uint64_t index);
  bool was_received(int to, uint64_t index) const;

 private:
  struct Board;
  std::string file(const std::string& name) const { return folder_ + "/" + name; }

  std::string folder_;
  int rank_, size_;
  std::atomic<int> lock_ = -1;
  Board* board_ = nullptr;
};

}  // namespace bevgrad::emulation::nccl
