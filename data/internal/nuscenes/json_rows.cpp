#include "internal/nuscenes/json_rows.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "internal/json_file.h"
#include "internal/poses.h"

namespace bevgrad {

namespace {

using Json = nlohmann::json;

int digit_of(char c) {
  return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

uint64_t hash_of(std::string_view text, uint64_t hash) {
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  return hash ^ (hash >> 31);
}

/// Parses a file and hands out the objects at `depth` instead of keeping them. `name` follows the keys of the outermost
/// object.
void parse_rows(const std::string& path, int depth, const std::function<bool(const std::string&)>& wanted,
                const std::function<void(const std::string&, const Json&)>& use) {
  check(std::filesystem::is_regular_file(path), "{}: no such file", path);
  std::ifstream in(path, std::ios::binary);
  check(in.good(), "{}: cannot be opened", path);
  std::string name;
  const auto step = [&](int at, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::key && at == 1 && depth == 2) {
      name = parsed.get<std::string>();
      return wanted(name);
    }
    if (event == Json::parse_event_t::object_end && at == depth) {
      use(name, parsed);
      return false;
    }
    return true;
  };
  try {
    const Json rest = Json::parse(in, step);
    check(depth == 2 ? rest.is_object() : rest.is_array() && rest.empty(), "{}: expected {}", path,
          depth == 2 ? "an object of lists" : "a list of objects");
  } catch (const Json::exception& error) {
    std::string reason = error.what();
    if (const size_t place = reason.find("at line"); place != std::string::npos) reason.erase(0, place);
    fail("{}: not JSON: {}", path, printable(reason));
  }
}

}  // namespace

Token token_of(std::string_view text) {
  if (text.empty()) return {};
  Token token;
  bool is_plain = text.size() == 32;
  for (size_t i = 0; is_plain && i < 32; ++i) {
    const int digit = digit_of(text[i]);
    is_plain = digit >= 0;
    uint64_t& half = i < 16 ? token.high : token.low;
    half = half << 4 | static_cast<uint64_t>(digit & 15);
  }
  return is_plain ? token : Token{hash_of(text, 0xcbf29ce484222325u), hash_of(text, 0x84222325cbf29ce4u)};
}

std::string TableRow::where(const char* field) const {
  return field == nullptr ? fmt::format("{}: [{}]", table_, index_) : fmt::format("{}: [{}].{}", table_, index_, field);
}

const Json& TableRow::at(const char* field) const {
  const auto found = json_.find(field);
  check(found != json_.end(), "{} has no entry '{}'", where(), field);
  return *found;
}

const std::string& TableRow::text(const char* field) const {
  const Json& value = at(field);
  check(value.is_string(), "{} is {}, expected a text", where(field), kind_of_json(value));
  return value.get_ref<const std::string&>();
}

std::vector<Token> TableRow::tokens(const char* field) const {
  const Json& list = at(field);
  check(list.is_array(), "{} is {}, expected a list of tokens", where(field), kind_of_json(list));
  std::vector<Token> tokens;
  for (const Json& entry : list) {
    check(entry.is_string(), "{} holds {}, expected tokens", where(field), kind_of_json(entry));
    tokens.push_back(token_of(entry.get_ref<const std::string&>()));
  }
  return tokens;
}

double TableRow::number(const char* field) const {
  const Json& value = at(field);
  check(value.is_number() && std::isfinite(value.get<double>()), "{} is {}, expected a finite number", where(field),
        kind_of_json(value));
  return value.get<double>();
}

int64_t TableRow::integer(const char* field) const {
  const double value = number(field);
  check(std::abs(value) < 9e18, "{} is {}, expected a whole number", where(field), value);
  const Json& json = at(field);
  return json.is_number_integer() ? json.get<int64_t>() : static_cast<int64_t>(std::llround(value));
}

bool TableRow::flag(const char* field) const {
  const Json& value = at(field);
  check(value.is_boolean(), "{} is {}, expected true or false", where(field), kind_of_json(value));
  return value.get<bool>();
}

std::vector<double> TableRow::numbers(const char* field, size_t count) const {
  const Json& list = at(field);
  check(list.is_array() && list.size() == count, "{} is {}, expected {} numbers", where(field), kind_of_json(list),
        count);
  std::vector<double> out;
  for (const Json& value : list) {
    check(value.is_number() && std::isfinite(value.get<double>()), "{} holds {}, expected finite numbers", where(field),
          kind_of_json(value));
    out.push_back(value.get<double>());
  }
  return out;
}

Pose TableRow::pose() const {
  const std::vector<double> q = numbers("rotation", 4), t = numbers("translation", 3);
  const double length = std::sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);
  check(std::abs(length - 1) < 1e-2, "{} is a quaternion of length {}, expected 1", where("rotation"), length);
  return pose_from_quaternion(q[0], q[1], q[2], q[3], {t[0], t[1], t[2]});
}

void for_each_row(const std::string& path, const std::function<void(const TableRow&)>& use) {
  int64_t index = 0;
  parse_rows(path, 1, {}, [&](const std::string&, const Json& row) { use(TableRow(row, path, index++)); });
}

void for_each_row(const std::string& path, const std::function<bool(const std::string&)>& wanted,
                  const std::function<void(const std::string&, const TableRow&)>& use) {
  std::string list, place;
  int64_t index = 0;
  parse_rows(path, 2, wanted, [&](const std::string& name, const Json& row) {
    if (name != list) {
      list = name;
      place = path + ": " + name;
      index = 0;
    }
    use(name, TableRow(row, place, index++));
  });
}

}  // namespace bevgrad
