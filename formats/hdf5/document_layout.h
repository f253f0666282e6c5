// Names in an HDF5 checkpoint that its reader and writer share; docs/file_formats.md says what they mean.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "formats/hdf5/tensor_file.h"

#include "base/version.h"

namespace bevgrad {

inline constexpr const char* kFormatName = "bevgrad-checkpoint";
inline constexpr int64_t kFormatVersion = 1;
inline const std::string kProducer = std::string("bevgrad ") + kVersion;

inline constexpr const char* kKindAttribute = "kind";
inline constexpr const char* kKeysAttribute = "keys";
inline constexpr const char* kTypeAttribute = "type";
inline constexpr const char* kParameterAttribute = "parameter";
inline constexpr const char* kStorageAttribute = "storage";
inline constexpr const char* kOffsetAttribute = "storage_offset";
inline constexpr const char* kStridesAttribute = "strides";

inline constexpr std::string_view kOrderedDict = "collections.OrderedDict";

/// The link of a dictionary's key: escape_link, and "@" at the front kept for members that are no entries.
inline std::string member_link(std::string_view key) {
  std::string link = escape_link(key);
  return link.starts_with('@') ? "%40" + link.substr(1) : link;
}

}  // namespace bevgrad
