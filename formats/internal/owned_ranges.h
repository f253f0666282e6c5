#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace bevgrad {

/// Ranges of a file's bytes, each of which belongs to one tensor.
class OwnedRanges {
 public:
  void add(uint64_t begin, uint64_t bytes, std::string name);
  /// Throws Error naming `file` and two tensors that share bytes.
  void check_apart(const std::string& file);

 private:
  struct Range {
    uint64_t begin, end;
    std::string name;
  };
  std::vector<Range> ranges_;
};

}  // namespace bevgrad
