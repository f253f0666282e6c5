// The text forms of pickle's numbers and strings.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bevgrad {

/// CPython's own limit for converting text to an integer.
inline constexpr size_t kMaximumDigits = 4300;

/// Two's complement, little-endian, any length ("" is 0), where it fits 64 bits.
std::optional<int64_t> small_integer(std::string_view little_endian);
/// "-12" (or "0x1f") as two's complement, little-endian; nothing where it is no integer or too long.
std::optional<std::string> parse_decimal(std::string_view digits);
/// Two's complement, little-endian, as decimal digits ("0x.." hexadecimal past kMaximumDigits).
std::string format_integer(std::string_view little_endian);
/// Python's float(): "1.5", "inf", "nan"; nothing where it is no number.
std::optional<double> parse_float(std::string_view text);
/// repr of a Python 2 string: quotes and backslash escapes.
std::optional<std::string> unquote(std::string_view quoted);
/// Python's raw-unicode-escape (Latin-1 with \uXXXX and \UXXXXXXXX), as UTF-8.
std::optional<std::string> decode_raw_unicode_escape(std::string_view text);
/// UTF-8 text whose characters are below 256, as one byte each (Python's latin1); nothing where one is above.
std::optional<std::string> encode_latin1(std::string_view utf8);
/// Appends one character (a code point up to 0x10ffff) as UTF-8.
void append_utf8(std::string& out, uint32_t code);
bool is_utf8(std::string_view text);

}  // namespace bevgrad
