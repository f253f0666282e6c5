#include "internal/picture_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdint>

#include "base/text.h"

namespace bevgrad {
namespace {

constexpr size_t kMostBytes = 180;

/// FNV-1a of 64 bits: names of files must not change with the library's hash.
uint64_t hash_of(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return hash;
}

/// What becomes a '_' without a hash.
enum class Underscore { Itself, Slash, Nothing };

/// A name that different texts never share: what is not kept letter by letter ends in '~' and a hash of the text, and
/// no text keeps a '~'.
std::string file_name(std::string_view text, Underscore underscore) {
  std::string name;
  bool kept = !text.empty() && text.front() != '.';
  for (std::string_view rest = text; !rest.empty();) {
    const size_t length = utf8_length(rest);
    const auto first = static_cast<unsigned char>(rest.front());
    const bool is_letter = length == 1 && (std::isalnum(first) || first == '-' || first == '.' ||
                                           (first == '_' && underscore == Underscore::Itself));
    const bool is_control = length == 2 && first == 0xC2 && static_cast<unsigned char>(rest[1]) < 0xA0;
    const bool is_slash = first == '/' && underscore == Underscore::Slash;
    const size_t taken = std::max<size_t>(length, 1);
    if (name.size() + taken > kMostBytes) {
      kept = false;
      break;
    }
    if (is_letter || (length > 1 && !is_control)) {
      name += rest.substr(0, length);
    } else {
      name += '_';
      kept &= is_slash;
    }
    rest.remove_prefix(taken);
  }
  if (!name.empty() && name.front() == '.') name.front() = '_';
  return kept ? name : fmt::format("{}~{:016x}", name, hash_of(text));
}

}  // namespace

std::string val_set_name(const std::string& val_set) {
  return file_name(val_set, Underscore::Itself);
}

std::string sample_name(const std::string& key) {
  return file_name(key, Underscore::Slash);
}

std::string picture_file(const std::string& val_set, const std::string& key) {
  return "pictures/" + val_set_name(val_set) + "/" + sample_name(key) + ".png";
}

std::string drive_stem(const std::string& val_set, const std::string& series) {
  return "drives/" + val_set_name(val_set) + "_" + file_name(series, Underscore::Nothing);
}

std::string lanes_stem(const std::string& val_set, const std::string& key) {
  return "lanes/" + val_set_name(val_set) + "/" + sample_name(key);
}

}  // namespace bevgrad
