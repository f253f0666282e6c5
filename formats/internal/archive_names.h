// Names of the entries of archives.
#pragma once
#include <string_view>

namespace bevgrad {

/// Whether a name could lead out of the folder in which an archive is unpacked, on any system.
bool leads_out_of_archive(std::string_view name);

}  // namespace bevgrad
