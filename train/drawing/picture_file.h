// Where a sample's picture lies in a run's folder.
#pragma once
#include <string>

namespace bevgrad {

/// "pictures/<val set>/<key>.png". In both names what file systems do not take becomes "_".
std::string picture_file(const std::string& val_set, const std::string& key);

}  // namespace bevgrad
