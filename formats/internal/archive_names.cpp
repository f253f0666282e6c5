#include "internal/archive_names.h"

#include <algorithm>

namespace bevgrad {

bool leads_out_of_archive(std::string_view name) {
  if (name.empty() || name.front() == '/' || name.find('\\') != std::string_view::npos ||
      name.find('\0') != std::string_view::npos) {
    return true;
  }
  size_t begin = 0;
  while (begin <= name.size()) {
    const size_t end = std::min(name.find('/', begin), name.size());
    if (name.substr(begin, end - begin) == "..") return true;
    begin = end + 1;
  }
  return name.size() >= 2 && name[1] == ':';
}

}  // namespace bevgrad
