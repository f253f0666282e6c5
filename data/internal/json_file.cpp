#include "internal/json_file.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "internal/limited_file.h"

namespace bevgrad {

using Json = nlohmann::json;

Json parse_json(const std::string& text, const std::string& where) {
  try {
    return Json::parse(text);
  } catch (const Json::exception& error) {
    std::string reason = error.what();
    if (const size_t place = reason.find("at line"); place != std::string::npos) reason.erase(0, place);
    fail("{}: not JSON: {}", where, printable(reason));
  }
}

Json read_json_file(const std::string& path) {
  return parse_json(read_limited_file(path), path);
}

const char* kind_of_json(const Json& value) {
  switch (value.type()) {
    case Json::value_t::object:
      return "an object";
    case Json::value_t::array:
      return "a list";
    case Json::value_t::string:
      return "a text";
    case Json::value_t::boolean:
      return "true or false";
    case Json::value_t::null:
      return "null";
    default:
      return value.is_number() ? "a number" : "nothing";
  }
}

}  // namespace bevgrad
