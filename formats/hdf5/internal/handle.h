// Owning handles of the HDF5 C library, and the one lock under which it is called (Debian's build is not thread-safe).
#pragma once
#include <hdf5.h>

#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "formats/stored_dtype.h"

namespace bevgrad {

class Hdf5Id {
 public:
  Hdf5Id() = default;
  Hdf5Id(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  ~Hdf5Id() { reset(); }
  Hdf5Id(Hdf5Id&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Hdf5Id& operator=(Hdf5Id&& other) noexcept {
    if (this != &other) {
      reset();
      id_ = std::exchange(other.id_, -1);
      close_ = other.close_;
    }
    return *this;
  }
  operator hid_t() const { return id_; }
  bool valid() const { return id_ >= 0; }
  /// Gives the id up without closing it.
  hid_t release() { return std::exchange(id_, -1); }
  void reset() {
    if (id_ >= 0) close_(id_);
    id_ = -1;
  }

 private:
  hid_t id_ = -1;
  herr_t (*close_)(hid_t) = nullptr;
};

/// Locks the library for this thread and, the first time, makes it silent and forbids it to load plugins.
std::unique_lock<std::recursive_mutex> lock_hdf5();

/// The type in a file of values of a dtype: little-endian; complex numbers are compounds of r and i, bool an enum of
/// FALSE and TRUE, as h5py has them; bfloat16 and the float8 types unsigned integers of their width.
Hdf5Id hdf5_type(StoredDType dtype);
/// A string type: `size` bytes of UTF-8, or of variable length.
Hdf5Id hdf5_text_type(size_t size);
Hdf5Id hdf5_variable_text_type();

/// A box of a row-major array.
struct Hdf5Box {
  std::vector<hsize_t> offsets;
  std::vector<hsize_t> counts;
};
/// Elements [begin, end) in row-major order as boxes that follow one another: at most two a dimension and one.
std::vector<Hdf5Box> boxes_of(const std::vector<hsize_t>& sizes, uint64_t begin, uint64_t end);

}  // namespace bevgrad
