// Which streams of which processes go where, in torchrun's notation.
#pragma once
#include <map>
#include <string>
#include <vector>

namespace bevgrad {

/// Streams of one process: 1 standard output, 2 standard error, 3 both, 0 neither.
struct Streams {
  int bits = 0;
  bool out() const { return (bits & 1) != 0; }
  bool error() const { return (bits & 2) != 0; }
};

/// "3", or "0:3,1:0" by local rank (0 for those that are not named).
class StreamChoice {
 public:
  StreamChoice() = default;
  /// Throws UsageError naming the flag.
  StreamChoice(const std::string& flag, const std::string& text);
  Streams of(int local_rank) const;
  bool is_empty() const { return all_.bits == 0 && by_rank_.empty(); }

 private:
  Streams all_;
  std::map<int, Streams> by_rank_;
};

/// "0,2" as numbers. Throws UsageError naming the flag.
std::vector<int> parse_ranks(const std::string& flag, const std::string& text);

}  // namespace bevgrad
