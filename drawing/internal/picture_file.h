// Where a validation's pictures lie in its folder. Other val sets, keys and sequences have other files, whatever
// characters their names have.
#pragma once
#include <string>

namespace bevgrad {

/// Letters, digits, '-', '_', '.' and what is not ASCII stay; a name with anything else gets a hash.
std::string val_set_name(const std::string& val_set);
/// '/' becomes '_'; keys that have '_' themselves get a hash.
std::string sample_name(const std::string& key);

/// "pictures/<val set>/<key>.png"
std::string picture_file(const std::string& val_set, const std::string& key);
/// "drives/<val set>_<sequence>", to which "_map.png" and the like are added.
std::string drive_stem(const std::string& val_set, const std::string& series);
/// "lanes/<val set>/<key>", to which ".ego.geojson" and ".map.geojson" are added.
std::string lanes_stem(const std::string& val_set, const std::string& key);

}  // namespace bevgrad
