// The values of an HDF5 dataset as a storage that is read on demand.
#pragma once
#include <memory>
#include <string>

#include "formats/stored_tensor.h"
#include "hdf5/internal/raw/values.h"

namespace bevgrad {

struct StoredValues {
  std::shared_ptr<const hdf5::File> file = {};  // which the values refer to
  std::shared_ptr<const hdf5::Values> values = {};
  size_t unit = 1;            // bytes that are reversed on reading: big-endian datasets
  std::string checksum = "";  // "xxh3:...", or nothing
};

/// Little-endian values; the checksum, where there is one, is checked when the last byte has been read in order.
std::shared_ptr<const StoredStorage> values_storage(std::string name, StoredValues values);

}  // namespace bevgrad
