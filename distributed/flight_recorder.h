// The last collectives of a rank, for whoever has to find out why a run hangs.
#pragma once
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>

namespace bevgrad {

/// Of all groups of a process together, in the order in which they were asked for. Safe to use from several threads.
class FlightRecorder {
 public:
  /// A collective was asked for; `place` is where the rank was. Returns its number, from 0.
  int64_t ask(const std::string& group, const std::string& call, const std::string& place);
  void begin(int64_t number);
  void end(int64_t number);
  /// JSON: a list of the last `most`, oldest first: {"number", "group", "call", "place", "asked", "begun", "ended"},
  /// times in seconds since 1970; what has not happened is absent.
  std::string list(size_t most = kKept) const;

  static constexpr size_t kKept = 64;

 private:
  struct Entry {
    int64_t number = 0;
    std::string group, call, place;
    double asked = 0, begun = 0, ended = 0;
  };
  Entry* find(int64_t number);

  mutable std::mutex mutex_;
  std::deque<Entry> entries_;
  int64_t next_ = 0;
};

}  // namespace bevgrad
