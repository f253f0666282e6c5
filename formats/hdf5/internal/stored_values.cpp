#include "hdf5/internal/stored_values.h"

#include <algorithm>
#include <cstring>
#include <mutex>

#include "base/error.h"
#include "base/text.h"
#include "hdf5/internal/checksum.h"

namespace bevgrad {

namespace {

class ValuesStorage : public StoredStorage {
 public:
  ValuesStorage(std::string name, StoredValues values)
      : StoredStorage(std::move(name), values.values->bytes()), values_(std::move(values)) {}

  void verify() const override {
    {
      const std::scoped_lock lock(mutex_);
      if (whole_ || values_.checksum.empty()) return;
    }
    std::vector<std::byte> piece(std::min<uint64_t>(bytes(), 4 << 20));
    for (uint64_t at = 0; at < bytes(); at += piece.size()) {
      read(at, std::span(piece).first(std::min<uint64_t>(piece.size(), bytes() - at)));
    }
  }

 private:
  void read_checked(uint64_t offset, std::span<std::byte> out) const override {
    try {
      read_little_endian(offset, out);
    } catch (const Error& error) {
      fail("{}: {}", name(), error.what());
    }
    if (values_.checksum.empty()) return;
    const std::scoped_lock lock(mutex_);
    if (offset == 0) {
      seen_ = 0;
      running_.reset();
    }
    if (offset != seen_) return;
    running_.update(out);
    seen_ += out.size();
    if (seen_ != bytes()) return;
    check(running_.text() == values_.checksum, "{}: damaged: its checksum is {}, {} was stored", name(),
          running_.text(), printable(values_.checksum, 40));
    whole_ = true;
  }

  void read_little_endian(uint64_t offset, std::span<std::byte> out) const {
    const size_t unit = values_.unit;
    if (unit == 1) return values_.values->read(offset, out);
    const uint64_t begin = offset / unit * unit;
    const uint64_t end = std::min(bytes(), (offset + out.size() + unit - 1) / unit * unit);
    std::vector<std::byte> wide;
    std::span<std::byte> whole = out;
    if (begin != offset || end - begin != out.size()) {
      wide.resize(end - begin);
      whole = wide;
    }
    values_.values->read(begin, whole);
    for (size_t at = 0; at + unit <= whole.size(); at += unit) {
      std::reverse(whole.begin() + static_cast<std::ptrdiff_t>(at),
                   whole.begin() + static_cast<std::ptrdiff_t>(at + unit));
    }
    if (!wide.empty()) std::memcpy(out.data(), wide.data() + (offset - begin), out.size());
  }

  StoredValues values_;
  mutable std::mutex mutex_;
  mutable Checksum running_;
  mutable uint64_t seen_ = 0;
  mutable bool whole_ = false;
};

}  // namespace

std::shared_ptr<const StoredStorage> values_storage(std::string name, StoredValues values) {
  return std::make_shared<ValuesStorage>(std::move(name), std::move(values));
}

}  // namespace bevgrad
