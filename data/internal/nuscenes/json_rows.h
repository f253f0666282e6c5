// The rows of nuScenes' JSON tables one after the other: a table of the full set has 2.6 million and is never held
// whole.
#pragma once
#include <compare>
#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "geometry/pose.h"

namespace bevgrad {

/// A row's token, 32 hexadecimal digits, as 16 bytes. Tokens of another form are known by a hash of as many.
struct Token {
  uint64_t high = 0, low = 0;

  auto operator<=>(const Token&) const = default;
  bool empty() const { return high == 0 && low == 0; }
};
Token token_of(std::string_view text);

struct TokenHash {
  size_t operator()(const Token& token) const {
    return static_cast<size_t>(token.low ^ token.high * 0x9e3779b97f4a7c15u);
  }
};

/// A row, with the place that messages call it by.
class TableRow {
 public:
  TableRow(const nlohmann::json& json, const std::string& table, int64_t index)
      : json_(json), table_(table), index_(index) {}

  /// "v1.0-mini/sample.json: [17].field"
  std::string where(const char* field = nullptr) const;
  const nlohmann::json& at(const char* field) const;
  const std::string& text(const char* field) const;
  Token token(const char* field) const { return token_of(text(field)); }
  std::vector<Token> tokens(const char* field) const;
  double number(const char* field) const;
  int64_t integer(const char* field) const;
  bool flag(const char* field) const;
  /// `count` finite numbers.
  std::vector<double> numbers(const char* field, size_t count) const;
  /// rotation (w, x, y, z) and translation.
  Pose pose() const;

 private:
  const nlohmann::json& json_;
  const std::string& table_;
  int64_t index_;
};

/// Calls `use` with every object of a table: a list of objects.
void for_each_row(const std::string& path, const std::function<void(const TableRow&)>& use);
/// The same of an object of such lists, of those that `wanted` says yes to; the list's name comes first.
void for_each_row(const std::string& path, const std::function<bool(const std::string&)>& wanted,
                  const std::function<void(const std::string&, const TableRow&)>& use);

}  // namespace bevgrad
