// NumPy's .npz (numpy.savez): a zip archive of .npy files, one an array. numpy.lib.format defines their header.
#pragma once
#include <memory>

#include "formats/bytes.h"
#include "formats/stored_tensor.h"
#include "formats/value.h"

namespace bevgrad {

/// Whether a zip archive holds nothing but .npy files. False where it is broken.
bool is_npz(const std::shared_ptr<const ByteSource>& source);

/// A dictionary of arrays by name, of which no value has been read. Arrays of Python objects (pickles) and of types
/// that are no numbers are left out by name. Throws Error naming the file.
std::shared_ptr<Document> read_npz(std::shared_ptr<const ByteSource> source);

/// The array of a single .npy file. Throws Error naming the file, also for an array that holds no numbers.
StoredTensor read_npy(const std::shared_ptr<const ByteSource>& source);

}  // namespace bevgrad
