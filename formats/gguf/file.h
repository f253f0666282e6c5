// GGUF, llama.cpp's files (docs/gguf.md of ggml defines them): metadata, descriptions of tensors, values.
#pragma once
#include <memory>

#include "formats/bytes.h"
#include "formats/value.h"

namespace bevgrad {

/// A dictionary of the tensors, of which no value has been read; quantized ones are decoded to float32 when they are,
/// those of unknown types left out by name. The file's metadata is the document's. Throws Error naming the file.
std::shared_ptr<Document> read_gguf(std::shared_ptr<const ByteSource> source);

}  // namespace bevgrad
