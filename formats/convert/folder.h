// Many files at once.
#pragma once
#include <string>
#include <vector>

#include "formats/convert/convert.h"

namespace bevgrad {

struct FolderResult {
  std::string from;
  std::string to;
  std::string error;  // empty where it went well
};

/// Converts every regular file of a folder (subfolders are left alone) into `out`, which is made, under its name with
/// `extension` (".h5"; empty: .h5 for PyTorch and safetensors files, .ckpt for HDF5). Goes on past a bad file. `done`
/// is told of each; what `progress` throws (an interruption) ends it. Of two files that would get the same name the
/// second keeps its extension before the new one.
std::vector<FolderResult> convert_folder(const std::string& folder, const std::string& out,
                                         const std::string& extension, const ConvertOptions& options,
                                         const std::function<void(const FolderResult&)>& done,
                                         const ConvertProgress& progress = {});

}  // namespace bevgrad
