#include "internal/computed_storage.h"

#include <cstring>
#include <mutex>

namespace bevgrad {

namespace {

class ComputedStorage : public StoredStorage {
 public:
  ComputedStorage(std::string name, uint64_t bytes, std::shared_ptr<const StoredStorage> from,
                  std::function<void(std::span<std::byte>)> fill)
      : StoredStorage(std::move(name), bytes), from_(std::move(from)), fill_(std::move(fill)) {}
  void verify() const override { from_->verify(); }

 private:
  void read_checked(uint64_t offset, std::span<std::byte> out) const override {
    const std::scoped_lock lock(mutex_);
    if (values_.empty()) {
      values_.resize(bytes());
      fill_(values_);
    }
    std::memcpy(out.data(), values_.data() + offset, out.size());
    if (offset + out.size() == bytes()) std::vector<std::byte>().swap(values_);
  }

  std::shared_ptr<const StoredStorage> from_;
  std::function<void(std::span<std::byte>)> fill_;
  mutable std::mutex mutex_;
  mutable std::vector<std::byte> values_;
};

}  // namespace

std::shared_ptr<const StoredStorage> computed_storage(std::string name, uint64_t bytes,
                                                      std::shared_ptr<const StoredStorage> from,
                                                      std::function<void(std::span<std::byte>)> fill) {
  return std::make_shared<ComputedStorage>(std::move(name), bytes, std::move(from), std::move(fill));
}

}  // namespace bevgrad
