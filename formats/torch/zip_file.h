// PyTorch's zip format (torch.save since 1.6): data.pkl, byteorder, version, and data/<key>, one entry a storage, all
// in one folder of the archive.
#pragma once
#include <memory>

#include "formats/bytes.h"
#include "formats/value.h"

namespace bevgrad {

/// The structure of the file with its tensors resolved; no tensor data is read. Throws Error naming the file.
std::shared_ptr<Document> read_torch_zip(std::shared_ptr<const ByteSource> source);

}  // namespace bevgrad
