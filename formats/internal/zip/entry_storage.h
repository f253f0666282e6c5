// The content of one zip entry, inflated and checked against its CRC as it is read.
#pragma once
#include <memory>

#include "formats/stored_tensor.h"
#include "internal/zip/reader.h"

namespace bevgrad {

std::shared_ptr<const StoredStorage> zip_entry_storage(std::shared_ptr<const ByteSource> source, const ZipEntry& entry);

}  // namespace bevgrad
