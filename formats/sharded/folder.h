// Checkpoints that are several files: what a folder holds, and its parts.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "formats/bytes.h"
#include "formats/state_dict.h"

namespace bevgrad {

/// What lies in a folder, or nothing where it is no checkpoint as a whole: `.metadata` or safetensors of
/// several ranks (a distributed checkpoint of PyTorch), files of optimizer states as DeepSpeed's ZeRO names them, one
/// `*.index.json` (Hugging Face's shards), one
/// `*.index` with its values (TensorFlow).
std::optional<FileFormat> folder_format(const std::string& folder);
/// The only `*.index.json` in a folder, or nothing.
std::optional<std::string> index_file_in(const std::string& folder);

/// The parts that the ranks of a distributed checkpoint have saved as safetensors: names in the folder.
std::vector<std::string> safetensors_parts_in(const std::string& folder);

/// The only TensorFlow index in a folder that has its values too, or nothing.
std::optional<std::string> tensorflow_index_in(const std::string& folder);

/// The folder of the last checkpoint, where a file `latest` names it as DeepSpeed's does. Throws Error for a name that
/// leads out of `folder`.
std::optional<std::string> latest_in(const std::string& folder);

/// A file beside others, named by one of them: a plain name that cannot lead out of the folder. Throws Error naming
/// `where` for another.
std::string path_in_folder(const std::string& folder, const std::string& name, const std::string& where);

/// A run of bytes of a source as a source.
std::shared_ptr<const ByteSource> part_of(std::shared_ptr<const ByteSource> source, std::string name, uint64_t offset,
                                          uint64_t bytes);

/// The readers of whole folders; `path` is the folder, of shards the index file.
std::shared_ptr<Document> read_shards(const std::string& path, Foreign foreign);
std::shared_ptr<Document> read_distributed(const std::string& folder, Foreign foreign);
std::shared_ptr<Document> read_zero(const std::string& folder, Foreign foreign);

}  // namespace bevgrad
