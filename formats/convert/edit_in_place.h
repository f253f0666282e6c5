// The same changes as edit_checkpoint() makes, in the file itself: no value is read or written.
#pragma once
#include <string>

#include "formats/convert/edit.h"

namespace bevgrad {

/// Renames tensors of a safetensors file, and drops and renames members of groups of an HDF5 file, so that a crash at
/// any moment leaves the old or the new file. What the file will be is read before anything is written. Throws Error
/// where the format, the file or the file system does not allow it; the file is as it was then. With `dry_run` nothing
/// is written.
EditReport edit_in_place(const std::string& path, const EditOptions& options, bool dry_run);

}  // namespace bevgrad
