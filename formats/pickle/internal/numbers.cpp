#include "pickle/internal/numbers.h"
#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace bevgrad {

namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t' || text.front() == '\r')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// `count` hexadecimal digits at `at`, or -1.
int64_t hex_number(std::string_view text, size_t at, size_t count) {
  if (at + count > text.size()) return -1;
  int64_t value = 0;
  for (size_t i = 0; i < count; ++i) {
    const int digit = hex_digit(text[at + i]);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

void negate(std::string& little_endian) {
  int carry = 1;
  for (char& c : little_endian) {
    const int value = static_cast<uint8_t>(~c) + carry;
    c = static_cast<char>(value);
    carry = value >> 8;
  }
}

}  // namespace

void append_utf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out.push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out.push_back(static_cast<char>(0xc0 | (code >> 6)));
    out.push_back(static_cast<char>(0x80 | (code & 0x3f)));
  } else if (code < 0x10000) {
    out.push_back(static_cast<char>(0xe0 | (code >> 12)));
    out.push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3f)));
    out.push_back(static_cast<char>(0x80 | (code & 0x3f)));
  } else {
    out.push_back(static_cast<char>(0xf0 | (code >> 18)));
    out.push_back(static_cast<char>(0x80 | ((code >> 12) & 0x3f)));
    out.push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3f)));
    out.push_back(static_cast<char>(0x80 | (code & 0x3f)));
  }
}

std::optional<int64_t> small_integer(std::string_view little_endian) {
  if (little_endian.empty()) return 0;
  const bool negative = (static_cast<uint8_t>(little_endian.back()) & 0x80) != 0;
  const char fill = negative ? '\xff' : '\0';
  while (little_endian.size() > 8 && little_endian.back() == fill) little_endian.remove_suffix(1);
  if (little_endian.size() > 8) return std::nullopt;
  uint64_t value = negative ? ~uint64_t{0} : 0;
  for (size_t i = little_endian.size(); i > 0; --i) value = (value << 8) | static_cast<uint8_t>(little_endian[i - 1]);
  // Eight bytes kept of a longer number: the sign bit must agree.
  if (little_endian.size() == 8 && (static_cast<int64_t>(value) < 0) != negative) return std::nullopt;
  return static_cast<int64_t>(value);
}

std::optional<std::string> parse_decimal(std::string_view digits) {
  digits = trim(digits);
  bool negative = false;
  if (!digits.empty() && (digits[0] == '-' || digits[0] == '+')) {
    negative = digits[0] == '-';
    digits.remove_prefix(1);
  }
  uint32_t base = 10;
  if (digits.size() > 2 && digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X')) {
    base = 16;
    digits.remove_prefix(2);
  }
  if (digits.empty() || digits.size() > kMaximumDigits) return std::nullopt;
  std::string out(1, '\0');
  for (const char c : digits) {
    const int digit = hex_digit(c);
    if (digit < 0 || static_cast<uint32_t>(digit) >= base) return std::nullopt;
    uint32_t carry = static_cast<uint32_t>(digit);
    for (char& byte : out) {
      carry += static_cast<uint8_t>(byte) * base;
      byte = static_cast<char>(carry);
      carry >>= 8;
    }
    if (carry != 0) out.push_back(static_cast<char>(carry));
  }
  if ((static_cast<uint8_t>(out.back()) & 0x80) != 0) out.push_back('\0');
  if (negative) negate(out);
  return out;
}

std::string format_integer(std::string_view little_endian) {
  if (little_endian.empty()) return "0";
  std::string magnitude(little_endian);
  const bool negative = (static_cast<uint8_t>(magnitude.back()) & 0x80) != 0;
  if (negative) {
    magnitude.push_back('\xff');
    negate(magnitude);
  }
  while (magnitude.size() > 1 && magnitude.back() == '\0') magnitude.pop_back();
  std::string out;
  if (magnitude.size() > kMaximumDigits * 2 / 5) {
    for (const char c : magnitude) {
      const std::string two = fmt::format("{:02x}", static_cast<uint8_t>(c));
      out.insert(out.end(), {two[1], two[0]});
    }
    out += "x0";
  } else {
    while (magnitude.size() > 1 || magnitude[0] != '\0') {
      uint32_t rest = 0;
      for (size_t i = magnitude.size(); i > 0; --i) {
        rest = (rest << 8) | static_cast<uint8_t>(magnitude[i - 1]);
        magnitude[i - 1] = static_cast<char>(rest / 10);
        rest %= 10;
      }
      out.push_back(static_cast<char>('0' + rest));
      while (magnitude.size() > 1 && magnitude.back() == '\0') magnitude.pop_back();
    }
    if (out.empty()) out = "0";
  }
  if (negative) out.push_back('-');
  std::reverse(out.begin(), out.end());
  return out;
}

std::optional<double> parse_float(std::string_view text) {
  text = trim(text);
  if (!text.empty() && text[0] == '+') text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size() || text.empty()) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    // from_chars leaves the value; Python gives infinity or zero.
    const bool tiny = text.find("e-") != std::string_view::npos || text.find("E-") != std::string_view::npos;
    const double magnitude = tiny ? 0.0 : std::numeric_limits<double>::infinity();
    return text[0] == '-' ? -magnitude : magnitude;
  }
  if (error != std::errc()) return std::nullopt;
  return value;
}

std::optional<std::string> unquote(std::string_view quoted) {
  quoted = trim(quoted);
  if (quoted.size() < 2 || quoted.front() != quoted.back() || (quoted[0] != '\'' && quoted[0] != '"')) {
    return std::nullopt;
  }
  quoted = quoted.substr(1, quoted.size() - 2);
  std::string out;
  for (size_t i = 0; i < quoted.size(); ++i) {
    if (quoted[i] != '\\') {
      out.push_back(quoted[i]);
      continue;
    }
    if (++i == quoted.size()) return std::nullopt;
    const char c = quoted[i];
    constexpr std::string_view kEscapes = "abfnrtv\\'\"";
    constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\'\"";
    if (const size_t found = kEscapes.find(c); found != std::string_view::npos) {
      out.push_back(kMeanings[found]);
    } else if (c == 'x') {
      const int64_t value = hex_number(quoted, i + 1, 2);
      if (value < 0) return std::nullopt;
      out.push_back(static_cast<char>(value));
      i += 2;
    } else if (c >= '0' && c <= '7') {
      int value = 0;
      size_t count = 0;
      while (count < 3 && i < quoted.size() && quoted[i] >= '0' && quoted[i] <= '7') {
        value = value * 8 + (quoted[i] - '0');
        ++count;
        ++i;
      }
      --i;
      out.push_back(static_cast<char>(value));
    } else {
      out.push_back('\\');
      out.push_back(c);
    }
  }
  return out;
}

std::optional<std::string> decode_raw_unicode_escape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == 'u' || text[i + 1] == 'U')) {
      const size_t count = text[i + 1] == 'u' ? 4 : 8;
      const int64_t value = hex_number(text, i + 2, count);
      if (value < 0 || value > 0x10ffff) return std::nullopt;
      append_utf8(out, static_cast<uint32_t>(value));
      i += 1 + count;
    } else {
      append_utf8(out, static_cast<uint8_t>(text[i]));
    }
  }
  return out;
}

std::optional<std::string> encode_latin1(std::string_view utf8) {
  std::string out;
  out.reserve(utf8.size());
  for (size_t i = 0; i < utf8.size(); ++i) {
    const auto c = static_cast<uint8_t>(utf8[i]);
    if (c < 0x80) {
      out.push_back(static_cast<char>(c));
    } else if ((c == 0xc2 || c == 0xc3) && i + 1 < utf8.size() && (static_cast<uint8_t>(utf8[i + 1]) & 0xc0) == 0x80) {
      out.push_back(static_cast<char>(((c & 3) << 6) | (utf8[++i] & 0x3f)));
    } else {
      return std::nullopt;
    }
  }
  return out;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace bevgrad
