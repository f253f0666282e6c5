// The initialisers of ONNX models (onnx.proto defines the messages): the weights, not the graph.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "formats/bytes.h"
#include "formats/value.h"

namespace bevgrad {

/// Whether the bytes are a model by their outermost fields: a version, texts, and a graph.
bool is_onnx(const std::shared_ptr<const ByteSource>& source);

/// A dictionary of the initialisers by name, of which no value has been read. Values in another file (as PyTorch's
/// exporter writes them) are found where that lies in `folder`, the model's own. Initialisers without them, sparse ones
/// and those of types that are no numbers are left out by name, and the tensors in nodes counted. The model's texts
/// (producer, domain, metadata) are the document's metadata. Throws Error naming the file.
std::shared_ptr<Document> read_onnx(std::shared_ptr<const ByteSource> source, const std::optional<std::string>& folder);

}  // namespace bevgrad
