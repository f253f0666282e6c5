// Vector clocks: what a stream, or the host, knows to be done on every stream.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace bevgrad::emulation {

class Clock {
 public:
  bool covers(size_t stream, uint64_t tick) const { return at(stream) >= tick; }
  uint64_t at(size_t stream) const { return stream < ticks_.size() ? ticks_[stream] : 0; }

  uint64_t advance(size_t stream) {
    if (stream >= ticks_.size()) ticks_.resize(stream + 1);
    return ++ticks_[stream];
  }

  void join(const Clock& other) {
    if (other.ticks_.size() > ticks_.size()) ticks_.resize(other.ticks_.size());
    for (size_t i = 0; i < other.ticks_.size(); ++i) ticks_[i] = std::max(ticks_[i], other.ticks_[i]);
  }

 private:
  std::vector<uint64_t> ticks_;
};

/// An operation's place in time.
struct Moment {
  size_t stream = 0;
  uint64_t tick = 0;
  Clock before;  // everything that is done when it starts
};

}  // namespace bevgrad::emulation
