// Base64 (RFC 4648), for bytes in JSON.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace bevgrad {

std::string base64(std::string_view bytes);
/// Nothing where the text is none, its padding included.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace bevgrad
