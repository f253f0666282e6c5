// Requests to the store, taken from bytes that come in pieces.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "internal/store_wire.h"

namespace bevgrad::store_wire {

/// What came is no request, or more than the limits allow.
struct Garbage {};

/// Finds the end of the request at the start of a client's bytes. Every byte is looked at once, in however many pieces
/// a request comes.
class RequestScanner {
 public:
  /// `bytes`: those of before and what has come since. True once the request is whole; size() is its length then.
  /// Throws Garbage.
  bool scan(std::string_view bytes);
  size_t size() const { return at_; }

 private:
  // What is still to come: k a key, v a value, 4 and 8 a number of so many bytes, * how often the rest repeats.
  const char* field_ = nullptr;
  const char* repeated_ = nullptr;
  uint64_t repeats_ = 1;
  size_t at_ = 0;
};

/// Reads the fields of a whole request.
class Parser {
 public:
  explicit Parser(std::string_view request) : rest_(request) {}

  template <class T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  std::string string() { return std::string(take(number<uint64_t>())); }
  std::vector<std::string> strings() {
    std::vector<std::string> strings;
    for (auto left = number<uint64_t>(); left > 0; --left) strings.push_back(string());
    return strings;
  }

 private:
  std::string_view take(size_t size) {
    if (rest_.size() < size) throw Garbage();
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  std::string_view rest_;
};

}  // namespace bevgrad::store_wire
