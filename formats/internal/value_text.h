// Values as Python would print them: for messages, for the names of entries whose keys are no texts, and for formats
// that have texts only.
#pragma once
#include <cstdint>
#include <string>
#include <unordered_map>

#include "formats/value.h"

namespace bevgrad {

/// A float with a point or an exponent, so that it is told from an integer: "1.0", "1e-05", "nan".
std::string float_text(double value);

/// "('a', 1)", "frozenset({1, 2})", "datetime.date(2024, 1, 2)", "__main__.Mode('a')". Cut short past some hundred
/// bytes, so that no structure unfolds.
std::string value_text(const Document& document, NodeId id);

/// How an entry of this key is called: texts as they are, integers as digits, other keys as value_text.
std::string key_text(const Document& document, NodeId key);

/// Hands out names once each.
class UniqueNames {
 public:
  /// `name`, or name#2, name#3, ... where it has been taken.
  std::string take(std::string name);

 private:
  std::unordered_map<std::string, uint64_t> next_;  // the number to try by name
};

}  // namespace bevgrad
