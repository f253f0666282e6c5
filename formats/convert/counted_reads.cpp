#include "formats/convert/counted_reads.h"

#include <algorithm>

#include "formats/reachable.h"

namespace bevgrad {

struct ReadCounter::Count {
  ConvertProgress progress;
  uint64_t done = 0;
  uint64_t total = 0;
  uint64_t told = 0;
};

/// Passes reads on and counts them.
class ReadCounter::CountedStorage : public StoredStorage {
 public:
  CountedStorage(std::shared_ptr<const StoredStorage> storage, std::shared_ptr<Count> count)
      : StoredStorage(storage->name(), storage->bytes()), storage_(std::move(storage)), count_(std::move(count)) {}
  void verify() const override { storage_->verify(); }

 private:
  void read_checked(uint64_t offset, std::span<std::byte> out) const override {
    storage_->read(offset, out);
    count_->done = std::min(count_->total, count_->done + out.size());
    // A hundred times in all is enough.
    if (count_->done - count_->told < count_->total / 100 && count_->done != count_->total) return;
    if (count_->told == count_->total) return;
    count_->told = count_->done;
    count_->progress(count_->done, count_->total);
  }

  std::shared_ptr<const StoredStorage> storage_;
  std::shared_ptr<Count> count_;
};

ReadCounter::ReadCounter(const ConvertProgress& progress) : count_(std::make_shared<Count>()) {
  count_->progress = progress;
}

void ReadCounter::watch(StoredTensor& tensor) {
  if (!count_->progress) return;
  auto& storage = counted_[identity(*tensor.storage)];
  if (!storage) {
    storage = std::make_shared<CountedStorage>(tensor.storage, count_);
    count_->total += storage->bytes();
  }
  tensor.storage = storage;
}

void ReadCounter::watch(Document& document) {
  if (!count_->progress) return;
  for (const NodeId id : reachable_nodes(document)) {
    if (document.node(id).kind == ValueKind::Tensor) watch(*document.node(id).tensor);
  }
}

}  // namespace bevgrad
