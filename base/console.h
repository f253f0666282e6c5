// Text for the standard streams.
#pragma once
#include <cstdio>
#include <string_view>

namespace bevgrad {

/// Writes and flushes. Whether all of it went out: a console may be a file on a full disk, which is no reason to end.
bool write_console(FILE* stream, std::string_view text);

}  // namespace bevgrad
