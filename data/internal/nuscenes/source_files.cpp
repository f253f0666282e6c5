#include "internal/nuscenes/source_files.h"

#include <algorithm>
#include <filesystem>

#include "base/text.h"
#include "internal/record/number_checks.h"

namespace bevgrad {

namespace fs = std::filesystem;

std::string find_source_file(const std::string& folder, const std::string& sensor, const InfoFile& file) {
  const fs::path named = file.name;
  check(named.has_filename() && named.filename() != ".." && named.filename() != "." &&
            file.name.find('\0') == std::string::npos,
        "{}: '{}' is not the path of a file", file.where, printable(file.name));
  const bool stays = named.is_relative() &&
                     std::none_of(named.begin(), named.end(), [](const fs::path& part) { return part == ".."; });
  const fs::path root = folder;
  for (const fs::path& candidate : {root / (stays ? named : named.filename()), root / named.filename(),
                                    root / sensor / named.filename(), root / "samples" / sensor / named.filename()}) {
    std::error_code ignored;
    if (fs::is_regular_file(candidate, ignored)) return candidate.string();
  }
  fail("{}: {} holds no file '{}'", file.where, folder, printable(file.name));
}

}  // namespace bevgrad
