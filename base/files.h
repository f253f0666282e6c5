// Small files as one text.
#pragma once
#include <string>
#include <string_view>

namespace bevgrad {

/// Writes a file whole or not at all; processes that write the same file at once each leave a whole one. Throws Error
/// naming it.
void write_text_file(const std::string& path, std::string_view text);

/// A whole file's bytes. Throws Error naming it.
std::string read_file(const std::string& path);

}  // namespace bevgrad
