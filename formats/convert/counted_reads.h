// How far a conversion is, counted where values are read.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>

#include "formats/value.h"

namespace bevgrad {

/// Told how many bytes of tensors have been read, and of how many.
using ConvertProgress = std::function<void(uint64_t done, uint64_t total)>;

/// Puts a counter before storages, each once.
class ReadCounter {
 public:
  explicit ReadCounter(const ConvertProgress& progress);

  void watch(StoredTensor& tensor);
  /// Every tensor that the root reaches.
  void watch(Document& document);

 private:
  struct Count;
  class CountedStorage;

  std::shared_ptr<Count> count_;
  std::unordered_map<const void*, std::shared_ptr<const StoredStorage>> counted_;
};

}  // namespace bevgrad
