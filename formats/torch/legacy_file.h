// PyTorch's stream format (torch.save before 1.6, or with _use_new_zipfile_serialization=False): the pickles of a magic
// number, a protocol version, the writer's type sizes, the object and the list of storage keys; then, for each key, the
// number of elements and the elements, always little-endian.
#pragma once
#include <memory>

#include "formats/bytes.h"
#include "formats/value.h"

namespace bevgrad {

/// Whether the file begins with the magic number, in any pickle protocol.
bool is_torch_legacy(const std::shared_ptr<const ByteSource>& source);

/// The structure of the file with its tensors resolved; no tensor data is read. Throws Error naming the file.
std::shared_ptr<Document> read_torch_legacy(std::shared_ptr<const ByteSource> source);

}  // namespace bevgrad
