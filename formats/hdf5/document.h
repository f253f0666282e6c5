// Whole checkpoints as HDF5: the parameters under /state_dict by flat names, every other value of the structure under
// /document. docs/file_formats.md describes the layout.
#pragma once
#include <memory>
#include <string>

#include "formats/value.h"

namespace bevgrad {

/// The structure of an HDF5 file; tensors are read when asked for. A file without /document (another program's, or a
/// training checkpoint) gives its groups as dictionaries and its root attributes as entries.
std::shared_ptr<Document> read_hdf5_document(std::shared_ptr<const ByteSource> source);

/// Writes `document.root` atomically. Where it has a state dict, its tensors go to /state_dict. Tensors that are the
/// same view of one storage become one dataset with several names; other views of a shared storage, and tensors that
/// are not contiguous, carry attributes from which the storage is put together again.
void write_hdf5_document(const std::string& path, const Document& document);

}  // namespace bevgrad
