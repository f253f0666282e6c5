// Many files at once.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "formats/convert/convert.h"

namespace bevgrad {

/// Files in a folder and its subfolders that may be checkpoints, sorted. Links to files are followed, links to folders
/// are not. What one checkpoint is cut into is one entry: its index or folder. `leave_out` is a folder that is not
/// looked at. Throws Error for a folder that cannot be listed.
std::vector<std::string> files_in_folder(const std::string& folder, const std::string& leave_out = "");
/// Whether a file is called like a checkpoint, so that it is a failure where it is none.
bool is_called_a_checkpoint(const std::string& path);

struct FolderResult {
  std::string from;
  std::string to;
  std::string error;     // empty where it went well
  bool skipped = false;  // no checkpoint, and not called like one
  std::vector<std::string> notes = {};
};

struct FolderOptions {
  ConvertOptions convert = {};
  /// ".h5"; empty: .h5 for all formats but HDF5, which becomes .ckpt.
  std::string extension = "";
  /// Files that are there already are overwritten.
  bool force = false;
};

/// Converts every checkpoint in a folder and its subfolders into `out`, which is made, at the same place below it and
/// under its name with another extension. Links to files are followed, links to folders are not. Files that one
/// checkpoint is cut into are converted as one, at their index or folder. Files that are no checkpoints are skipped,
/// unless they are called like one. Goes on past a bad file. `done` is told of each; what `progress` throws (an
/// interruption) ends it. Of two files that would get the same name the second keeps its extension before the new one.
std::vector<FolderResult> convert_folder(const std::string& folder, const std::string& out,
                                         const FolderOptions& options,
                                         const std::function<void(const FolderResult&)>& done,
                                         const ConvertProgress& progress = {});

}  // namespace bevgrad
