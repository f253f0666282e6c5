// The little JSON (RFC 8259) that safetensors and indexes of shards need: parsed strictly, duplicate names refused.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bevgrad {

/// A string, a non-negative integer, another number, an array of values or an object of values.
struct Json {
  enum class Kind : uint8_t { String, Integer, Number, Array, Object, Other } kind = Kind::Other;
  std::string text;  // of a string; of a Number as it is written
  uint64_t integer = 0;
  /// Of an array; of an object the values, under the names of the same index.
  std::vector<Json> items;
  std::vector<std::string> names;

  const Json* find(std::string_view key) const;
};

/// Throws Error beginning with `where` and naming the byte.
Json parse_json(std::string_view text, const std::string& where);
/// A JSON string with its quotes; bytes that are not UTF-8 become U+FFFD.
std::string json_string(std::string_view text);

}  // namespace bevgrad
