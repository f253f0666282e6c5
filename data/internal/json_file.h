// JSON from outside.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace bevgrad {

/// A whole file of at most 256 MB. Throws Error naming it, with line and column where it is no JSON.
nlohmann::json read_json_file(const std::string& path);
/// The same of a text that came from `where`.
nlohmann::json parse_json(const std::string& text, const std::string& where);

/// What a value is, for messages: "a text", "a number", "nothing".
const char* kind_of_json(const nlohmann::json& value);

}  // namespace bevgrad
