// Names of classes that are written in several ways.
#pragma once
#include <string>
#include <string_view>

namespace bevgrad {

/// Letters and digits alone, all small: "StopLine", "stop_line" and "stopline" are one.
inline std::string plain_name(std::string_view name) {
  std::string plain;
  for (const char c : name) {
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')) plain += c;
    if (c >= 'A' && c <= 'Z') plain += static_cast<char>(c - 'A' + 'a');
  }
  return plain;
}

/// The class of areas that one may drive on, which lie beneath all others.
inline bool is_freespace(std::string_view road_class) {
  return plain_name(road_class) == "freespace";
}

}  // namespace bevgrad
