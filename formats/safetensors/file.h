// safetensors (github.com/huggingface/safetensors, its README defines the format): the length of a JSON header, the
// header with dtype, shape and byte range of every tensor, the bytes.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "formats/bytes.h"
#include "formats/state_dict.h"
#include "formats/value.h"

namespace bevgrad {

/// Whether the first bytes are a header length that fits the file and a JSON object.
bool is_safetensors(const ByteSource& source);

/// A dictionary of tensors in the order of the header; `__metadata__` (text by name) is the document's. Throws
/// Error naming the file: ranges that overlap, leave holes or contradict their shapes are refused.
std::shared_ptr<Document> read_safetensors(std::shared_ptr<const ByteSource> source);

/// Writes atomically, in the order given; larger elements first in the data, so that all are aligned. Shared storages
/// are written once a tensor, for the format knows no sharing.
void write_safetensors(const std::string& path, const std::vector<NamedTensor>& tensors,
                       const std::vector<std::pair<std::string, std::string>>& metadata);

}  // namespace bevgrad
