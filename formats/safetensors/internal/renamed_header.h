// Tensors of a safetensors file called otherwise without moving a value: the header keeps its length.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "formats/bytes.h"
#include "internal/file_patch.h"

namespace bevgrad {

/// The header of a file that read_safetensors() has read, with new names by old ones. A name no longer than before
/// takes its place, followed by blanks; where one is longer the header is put together anew. Throws where that is
/// longer than the old one.
FilePatch rename_in_header(const std::shared_ptr<const ByteSource>& source,
                           const std::map<std::string, std::string>& names);

}  // namespace bevgrad
