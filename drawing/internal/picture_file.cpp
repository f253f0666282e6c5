#include "internal/picture_file.h"

#include <cctype>

namespace bevgrad {

std::string file_name(const std::string& key) {
  std::string name = key;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '_' && c != '.') c = '_';
  if (name.size() > 200) name.resize(200);
  return name.empty() || name.front() == '.' ? "_" + name : name;
}

std::string picture_file(const std::string& val_set, const std::string& key) {
  return "pictures/" + file_name(val_set) + "/" + file_name(key) + ".png";
}

}  // namespace bevgrad
