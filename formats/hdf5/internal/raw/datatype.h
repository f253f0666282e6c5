// Datatypes and dataspaces: what the elements of a dataset or attribute are, and how many.
#pragma once
#include <optional>
#include <string>

#include "formats/stored_dtype.h"
#include "hdf5/internal/raw/block.h"
#include "tensor/shape.h"

namespace bevgrad::hdf5 {

struct Datatype {
  enum class Kind { Number, FixedText, VariableText, Other };
  enum class Padding { Terminated, Null, Space };

  Kind kind = Kind::Other;
  uint64_t bytes = 0;                         // of one element in the file
  StoredDType dtype = StoredDType::UInt8;     // of a number
  bool big_endian = false;                    // of a number
  Padding padding = Padding::Terminated;      // of a fixed text
  std::string_view name = "an unknown type";  // for messages
};

/// Reads a datatype message to its end. Numbers are those that HDF5, NumPy and h5py agree on: IEEE floats (and
/// bfloat16), integers, complex numbers as compounds of two floats, bool as an enum of FALSE and TRUE, other enums as
/// their integers; others are Other.
Datatype read_datatype(Block& block);

struct Dataspace {
  bool null = false;  // no values at all, not even none of them
  Shape sizes;
  Shape maximum;  // -1: without limit
};
/// Reads a dataspace message. Throws where a size does not fit 63 bits.
Dataspace read_dataspace(Block& block);

}  // namespace bevgrad::hdf5
