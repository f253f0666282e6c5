// Files that are one pickle.
#pragma once
#include <memory>
#include <string>

#include "formats/bytes.h"
#include "formats/pickle/machine.h"
#include "formats/value.h"

namespace bevgrad {

/// The structure of a file that is one pickle. Throws Error naming the file.
std::shared_ptr<Document> read_pickle_document(std::shared_ptr<const ByteSource> source,
                                               const PickleLimits& limits = {});
/// Reads a file that is one pickle (an mmdetection3d info file, say). NumPy scalars become numbers and NumPy arrays
/// become tensors; every other call stays an Object.
Value read_pickle(const std::string& path, const PickleLimits& limits = {});

}  // namespace bevgrad
