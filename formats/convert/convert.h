// Conversion of checkpoints between formats, whole structures or renamed selections.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "formats/convert/counted_reads.h"
#include "formats/convert/name_map.h"
#include "formats/state_dict.h"

namespace bevgrad {

enum class OutputFormat { Torch, Hdf5, Safetensors };
/// By the extension: .ckpt .pt .pth .bin (PyTorch), .h5 .hdf5 (HDF5), .safetensors. Throws UsageError for another.
OutputFormat output_format(const std::string& path);

struct ConvertOptions {
  NameOptions names = {};
  /// Floating-point parameters become this dtype; integers and everything outside the state dict stay.
  std::optional<StoredDType> dtype = {};
  /// The same for the parameters whose new name matches a pattern of * and ?; the last one that matches counts.
  std::vector<std::pair<std::string, StoredDType>> casts = {};
  /// Bytes of a shard: the file becomes several with an index where it has more. 0 writes one file.
  uint64_t max_shard = 0;
  /// Nothing is written.
  bool dry_run = false;

  /// Whether the state dict becomes another one.
  bool changes() const { return !names.empty() || dtype || !casts.empty(); }
};

struct ConvertReport {
  /// Those of the state dict, or all where the file has none.
  size_t tensors = 0;
  uint64_t bytes = 0;
  /// What the target format could not keep, what overflowed, names that matched nothing: one line each.
  std::vector<std::string> notes;
  /// The parameters as they are written, and what each was called; empty where the structure was kept as it is.
  std::vector<NamedTensor> parameters;
  std::vector<std::string> from;
  /// What has been written.
  std::vector<std::string> files;
};

/// Writes the file's structure, with its state dict changed as `options` say, to `out`: the whole file or nothing.
/// Tensors are streamed. Throws Error naming the file.
ConvertReport convert_checkpoint(const CheckpointFile& file, const std::string& out, const ConvertOptions& options,
                                 const ConvertProgress& progress = {});

}  // namespace bevgrad
