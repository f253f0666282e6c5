// Whole files from outside, with a limit before anything is allocated.
#pragma once
#include <cstdint>
#include <string>

namespace bevgrad {

inline constexpr uint64_t kMostFileBytes = uint64_t{256} << 20;

/// A whole file of at most `most` bytes. Throws Error naming it.
std::string read_limited_file(const std::string& path, uint64_t most = kMostFileBytes);

/// Where a file that a description names lies in the description's folder. Throws, naming `where`, for names that lead
/// out of it and for files that are not there.
std::string file_inside(const std::string& folder, const std::string& name, const std::string& where);

}  // namespace bevgrad
