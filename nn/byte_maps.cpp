#include "nn/byte_maps.h"

#include <memory>
#include <unordered_map>

#include "base/error.h"

namespace bevgrad {
namespace {

struct Known {
  std::weak_ptr<const Storage> storage;
  double step = 0;
};
thread_local std::unordered_map<const Storage*, Known> steps;

// Entries whose memory is gone are dropped when there are more.
constexpr size_t kMostEntries = 64;

}  // namespace

Tensor with_step(const ByteMap& map) {
  if (steps.size() >= kMostEntries)
    std::erase_if(steps, [](const auto& entry) { return entry.second.storage.expired(); });
  steps[map.values.storage().get()] = {map.values.storage(), map.step};
  return map.values;
}

std::optional<ByteMap> byte_map(const Tensor& x) {
  if (!x.defined() || is_floating_point(x.dtype())) return std::nullopt;
  const auto found = steps.find(x.storage().get());
  check(found != steps.end() && found->second.storage.lock() == x.storage(),
        "{} came to a convolution: it is neither floating-point nor a feature map in 8 bits that another one has made",
        describe(x));
  return ByteMap{x, found->second.step};
}

Tensor without_bytes(const Tensor& x) {
  const std::optional<ByteMap> bytes = byte_map(x);
  return bytes ? from_bytes(*bytes) : x;
}

}  // namespace bevgrad
