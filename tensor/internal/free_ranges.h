// Ranges of addresses that wait to be used again: split where less is wanted, joined where neighbours are given back.
#pragma once
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace bevgrad {

struct AddressRange {
  std::byte* begin = nullptr;
  size_t bytes = 0;
};

class FreeRanges {
 public:
  /// The beginning of the smallest range that holds `bytes`; what is left of it stays free. Null where none does.
  std::byte* take(size_t bytes);
  void give(AddressRange range);
  std::optional<AddressRange> take_largest();
  /// Takes out the ranges that nothing was taken from or joined to since the last call.
  std::vector<AddressRange> take_idle();

 private:
  struct State {
    size_t bytes;
    bool idle;  // since the last take_idle()
  };
  using Ranges = std::map<std::byte*, State>;

  void insert(AddressRange range, bool idle);
  AddressRange erase(Ranges::iterator range);

  Ranges ranges_;
  std::set<std::pair<size_t, std::byte*>> by_size_;
};

}  // namespace bevgrad
