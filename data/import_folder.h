// A neutral folder as a dataset: what anybody's own data can be written as with a few lines in any language.
// docs/neutral_folder.md describes it, data/neutral/*.schema.json define it.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/maps/vector_map.h"
#include "data/maps/visibility.h"

namespace bevgrad {

struct ImportFolderOptions {
  std::string folder;       ///< holds *.json, a sequence each
  MapClasses classes = {};  ///< changes of the classes that maps' features become, see map_kinds()
  /// Rasters of what the sensors see, of frames that have none of their own.
  std::optional<VisibilityOptions> visibility = {};
};

struct ImportFolderReport {
  int64_t sequences = 0, frames = 0, pictures = 0, boxes = 0;
  std::map<std::string, int64_t> by_list;  ///< frames of each list
  std::map<std::string, int64_t> shapes;   ///< lane and road shapes by class
  std::vector<std::string> remarks;        ///< what a person should know, a line each
};

/// Writes lmdb/frames, lmdb.txt, all.txt and the sequences' lists into `out`, which must not exist or be empty and
/// appears only when all is done. Throws in one line that names file and field for whatever is missing, damaged or out
/// of range. Pictures that a frame lacks are left out of its record.
ImportFolderReport import_folder(const std::string& out, const ImportFolderOptions& options);

}  // namespace bevgrad
