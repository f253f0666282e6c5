// A bounded map that forgets the least recently used entries.
#pragma once
#include <algorithm>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace bevgrad {

/// FNV-1a over the numbers of a key.
struct NumbersHash {
  size_t operator()(const std::vector<int64_t>& key) const {
    uint64_t hash = 0xcbf29ce484222325u;
    for (const int64_t part : key) hash = (hash ^ static_cast<uint64_t>(part)) * 0x100000001b3u;
    return hash ^ (hash >> 29);
  }
};

/// Holds at most `capacity` entries (at least one). Thread-safe; values are copied out.
template <class Key, class Value, class Hash = std::hash<Key>>
class Recent {
 public:
  explicit Recent(size_t capacity) : capacity_(std::max<size_t>(capacity, 1)) {}

  /// The value under `key`, which becomes the most recently used one.
  std::optional<Value> find(const Key& key) {
    const std::lock_guard lock(mutex_);
    const auto found = index_.find(key);
    if (found == index_.end()) return std::nullopt;
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->second;
  }

  /// The first value that is put under a key stays; it is returned.
  Value put(const Key& key, const Value& value) {
    const std::lock_guard lock(mutex_);
    if (const auto found = index_.find(key); found != index_.end()) return found->second->second;
    entries_.emplace_front(key, value);
    index_.emplace(key, entries_.begin());
    if (entries_.size() > capacity_) {
      index_.erase(entries_.back().first);
      entries_.pop_back();
    }
    return value;
  }

 private:
  using Entries = std::list<std::pair<Key, Value>>;

  const size_t capacity_;
  std::mutex mutex_;
  Entries entries_;  // most recent first
  std::unordered_map<Key, typename Entries::iterator, Hash> index_;
};

}  // namespace bevgrad
