// Text that came from outside, made fit for messages, and patterns for names.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace bevgrad {

/// Bytes of the UTF-8 character at the front of a text that is not empty, 0 where there is none.
size_t utf8_length(std::string_view text);

/// For messages and terminals: control characters and bytes that are not UTF-8 as \xNN, cut at `limit` bytes.
std::string printable(std::string_view text, size_t limit = 200);

/// Whether a name matches a pattern of * and ?.
bool matches_wildcard(std::string_view name, std::string_view pattern);

}  // namespace bevgrad
