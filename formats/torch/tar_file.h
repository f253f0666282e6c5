// PyTorch's oldest format (torch.save of 0.1): a tar archive of `storages`, `tensors` and `pickle`.
#pragma once
#include <memory>

#include "formats/bytes.h"
#include "formats/value.h"

namespace bevgrad {

/// Whether the first 512 bytes are a tar header with a right checksum.
bool is_tar(const ByteSource& source);

/// The structure of the file with its tensors resolved; no tensor data is read. Throws Error naming the file.
std::shared_ptr<Document> read_torch_tar(std::shared_ptr<const ByteSource> source);

}  // namespace bevgrad
