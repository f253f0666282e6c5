// Conversion of checkpoints between formats, whole structures or renamed selections.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "formats/convert/name_map.h"
#include "formats/state_dict.h"

namespace bevgrad {

enum class OutputFormat { Torch, Hdf5, Safetensors };
/// By the extension: .ckpt .pt .pth .bin (PyTorch), .h5 .hdf5 (HDF5), .safetensors. Throws UsageError for another.
OutputFormat output_format(const std::string& path);

struct ConvertOptions {
  NameOptions names;
  /// Floating-point parameters become this dtype; integers and everything outside the state dict stay.
  std::optional<StoredDType> dtype = {};
};

struct ConvertReport {
  /// Those of the state dict, or all where the file has none.
  size_t tensors = 0;
  uint64_t bytes = 0;
  /// What the target format could not keep, one line each.
  std::vector<std::string> notes;
};

/// Told how many bytes of tensors have been read, and of how many.
using ConvertProgress = std::function<void(uint64_t done, uint64_t total)>;

/// Writes the file's structure, with its state dict changed as `options` say, to `out`: the whole file or nothing.
/// Tensors are streamed. Throws Error naming the file.
ConvertReport convert_checkpoint(const CheckpointFile& file, const std::string& out, const ConvertOptions& options,
                                 const ConvertProgress& progress = {});

/// A tensor of another floating-point dtype, converted as it is read. The same tensor where nothing is to convert.
StoredTensor converted(const StoredTensor& tensor, StoredDType dtype);

}  // namespace bevgrad
