// The initialisers of ONNX models (onnx.proto defines the messages): the weights, not the graph.
#pragma once
#include <memory>

#include "formats/bytes.h"
#include "formats/value.h"

namespace bevgrad {

/// Whether the bytes are a model by their outermost fields: a version, texts, and a graph.
bool is_onnx(const std::shared_ptr<const ByteSource>& source);

/// A dictionary of the initialisers by name, of which no value has been read; those of types that are no numbers, and
/// those whose values lie in another file, are left out by name. The model's texts (producer, domain, metadata) are the
/// document's metadata. Throws Error naming the file.
std::shared_ptr<Document> read_onnx(std::shared_ptr<const ByteSource> source);

}  // namespace bevgrad
