// Where a sample's picture lies in a run's folder.
#pragma once
#include <string>

namespace bevgrad {

/// A key as a file name: what file systems do not take becomes "_".
std::string file_name(const std::string& key);
/// "pictures/<val set>/<key>.png", both as file names.
std::string picture_file(const std::string& val_set, const std::string& key);

}  // namespace bevgrad
