// Names in an HDF5 checkpoint that its reader and writer share; docs/file_formats.md says what they mean.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/version.h"

namespace bevgrad {

inline constexpr const char* kFormatName = "bevgrad-checkpoint";
/// Of the files that are written. Version 1 had the structure as groups.
inline constexpr int64_t kFormatVersion = 2;
inline const std::string kProducer = std::string("bevgrad ") + kVersion;

inline constexpr const char* kDocument = "document";
inline constexpr const char* kStateDictGroup = "state_dict";
inline constexpr const char* kTensorsGroup = "tensors";

inline constexpr const char* kParameterAttribute = "parameter";
inline constexpr const char* kRequiresGradAttribute = "requires_grad";
inline constexpr const char* kNumpyAttribute = "numpy";
inline constexpr const char* kStorageAttribute = "storage";
inline constexpr const char* kOffsetAttribute = "storage_offset";
inline constexpr const char* kStridesAttribute = "strides";

// Version 1.
inline constexpr const char* kKindAttribute = "kind";
inline constexpr const char* kKeysAttribute = "keys";
inline constexpr const char* kTypeAttribute = "type";

/// In the JSON of /document an object with this first name is no dictionary, but what the name's text says.
inline constexpr const char* kKindName = "$";

inline constexpr std::string_view kOrderedDict = "collections.OrderedDict";

}  // namespace bevgrad
