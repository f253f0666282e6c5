// TensorFlow's checkpoints (tensor bundles): NAME.index, a sorted table that describes the tensors, and their values in
// NAME.data-00000-of-00001, ... Read only.
#pragma once
#include <memory>
#include <string>

#include "formats/value.h"

namespace bevgrad {

/// By the mark at the file's end.
bool is_tensorflow_index(const ByteSource& source);

/// A dictionary of the tensors by name, without the "/.ATTRIBUTES/VARIABLE_VALUE" of TensorFlow 2. `path` is that of
/// the index, whose folder has the values. Texts and variables that are cut into slices are left out by name; checksums
/// are not looked at. Throws Error naming the file and the place.
std::shared_ptr<Document> read_tensorflow(const std::string& path, const std::shared_ptr<const ByteSource>& index);

}  // namespace bevgrad
