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
/// that are no numbers are left out by name; what such a pickle names is in the document. Throws Error naming the file.
std::shared_ptr<Document> read_npz(std::shared_ptr<const ByteSource> source);

/// Whether a file begins as an .npy file.
bool is_npy(const ByteSource& source);
/// The array of a single .npy file as the root; an empty dictionary where it holds no numbers. Throws as read_npz.
std::shared_ptr<Document> read_npy_document(const std::shared_ptr<const ByteSource>& source);

/// The array of a single .npy file. Throws Error naming the file, also for an array that holds no numbers.
StoredTensor read_npy(const std::shared_ptr<const ByteSource>& source);

}  // namespace bevgrad
