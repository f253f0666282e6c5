// A bounded map of what was used most recently.
#pragma once
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

namespace bevgrad::cuda {

/// Numbers that determine a plan.
using PlanKey = std::vector<int64_t>;

/// Least recently used values go when there are more than `capacity`. Thread-safe; values are copied out.
template <class Value>
class Recent {
 public:
  explicit Recent(size_t capacity) : capacity_(capacity) {}

  std::optional<Value> find(const PlanKey& key) {
    std::lock_guard lock(mutex_);
    const auto found = index_.find(key);
    if (found == index_.end()) return {};
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->second;
  }

  /// The first value put under a key stays; it is returned.
  Value put(const PlanKey& key, const Value& value) {
    std::lock_guard lock(mutex_);
    if (const auto found = index_.find(key); found != index_.end()) return found->second->second;
    entries_.emplace_front(key, value);
    index_.emplace(key, entries_.begin());
    while (entries_.size() > capacity_) {
      index_.erase(entries_.back().first);
      entries_.pop_back();
    }
    return value;
  }

 private:
  using Entries = std::list<std::pair<PlanKey, Value>>;
  struct Hash {
    size_t operator()(const PlanKey& key) const {
      uint64_t hash = 0xcbf29ce484222325u;
      for (int64_t part : key) hash = (hash ^ static_cast<uint64_t>(part)) * 0x100000001b3u;
      return hash ^ (hash >> 29);
    }
  };

  size_t capacity_;
  std::mutex mutex_;
  Entries entries_;  // most recent first
  std::unordered_map<PlanKey, typename Entries::iterator, Hash> index_;
};

}  // namespace bevgrad::cuda
