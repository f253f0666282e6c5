#include "internal/neutral/json_schema.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/near_names.h"
#include "base/text.h"
#include "internal/json_file.h"
#include "internal/neutral/schema_texts.h"

namespace bevgrad {

namespace {

using Json = nlohmann::json;

/// What does not fit, without the file.
using Fault = std::optional<std::string>;

std::string at(const std::string& path) {
  return path.empty() ? "the file" : path;
}

std::string shown(const Json& value) {
  return value.is_structured() ? kind_of_json(value) : printable(value.dump(), 80);
}

template <class... Args>
Fault fault(const std::string& path, fmt::format_string<Args...> expected, Args&&... args) {
  return at(path) + fmt::format(expected, std::forward<Args>(args)...);
}

bool is_of_type(const Json& value, const std::string& type) {
  return type == "object"    ? value.is_object()
         : type == "array"   ? value.is_array()
         : type == "string"  ? value.is_string()
         : type == "boolean" ? value.is_boolean()
         : type == "integer" ? value.is_number_integer()
                             : value.is_number();
}

const char* kind_of_type(const std::string& type) {
  return type == "object"    ? "an object"
         : type == "array"   ? "a list"
         : type == "string"  ? "a text"
         : type == "boolean" ? "true or false"
         : type == "integer" ? "a whole number"
                             : "a number";
}

class Checker {
 public:
  explicit Checker(const Json& root) : root_(root) {}

  Fault run(const Json& rule, const Json& value, const std::string& path) const {
    if (rule.contains("$ref")) return run(resolve(rule.at("$ref").get_ref<const std::string&>()), value, path);
    if (rule.contains("type") && !is_of_type(value, rule.at("type")))
      return fault(path, " is {}, expected {}", shown(value), kind_of_type(rule.at("type")));
    if (rule.contains("const") && value != rule.at("const"))
      return fault(path, " is {}, expected {}", shown(value), rule.at("const").dump());
    if (Fault found = enumeration(rule, value, path)) return found;
    if (value.is_number())
      if (Fault found = number(rule, value.get<double>(), path)) return found;
    if (value.is_string())
      if (Fault found = text(rule, value.get_ref<const std::string&>(), path)) return found;
    if (value.is_array())
      if (Fault found = list(rule, value, path)) return found;
    if (value.is_object())
      if (Fault found = object(rule, value, path)) return found;
    return any_of(rule, value, path);
  }

 private:
  const Json& resolve(const std::string& reference) const { return root_.at(Json::json_pointer(reference.substr(1))); }

  static Fault enumeration(const Json& rule, const Json& value, const std::string& path) {
    if (!rule.contains("enum")) return {};
    std::string all;
    std::vector<std::string> names;
    for (const Json& allowed : rule.at("enum")) {
      if (value == allowed) return {};
      all += (all.empty() ? "" : ", ") + allowed.dump();
      if (allowed.is_string()) names.push_back(allowed);
    }
    const std::string hint = value.is_string() ? did_you_mean(value.get_ref<const std::string&>(), names) : "";
    return fault(path, " is {}, expected one of {}{}", shown(value), all, hint);
  }

  static Fault number(const Json& rule, double value, const std::string& path) {
    if (!std::isfinite(value)) return fault(path, " is {}, expected a finite number", value);
    if (rule.contains("minimum") && value < rule.at("minimum").get<double>())
      return fault(path, " is {}, expected at least {}", value, rule.at("minimum").dump());
    if (rule.contains("exclusiveMinimum") && value <= rule.at("exclusiveMinimum").get<double>())
      return fault(path, " is {}, expected more than {}", value, rule.at("exclusiveMinimum").dump());
    if (rule.contains("maximum") && value > rule.at("maximum").get<double>())
      return fault(path, " is {}, expected at most {}", value, rule.at("maximum").dump());
    return {};
  }

  static Fault text(const Json& rule, const std::string& value, const std::string& path) {
    if (rule.contains("minLength") && value.size() < rule.at("minLength").get<size_t>())
      return fault(path, " is an empty text");
    if (rule.contains("maxLength") && value.size() > rule.at("maxLength").get<size_t>())
      return fault(path, " is a text of {} bytes, expected at most {}", value.size(), rule.at("maxLength").dump());
    return {};
  }

  Fault list(const Json& rule, const Json& value, const std::string& path) const {
    const size_t least = rule.value("minItems", size_t{0}), most = rule.value("maxItems", SIZE_MAX);
    if (value.size() < least || value.size() > most) {
      const std::string expected = least == most      ? std::to_string(least)
                                   : most == SIZE_MAX ? fmt::format("at least {}", least)
                                                      : fmt::format("{} to {}", least, most);
      return fault(path, " has {} entries, expected {}", value.size(), expected);
    }
    if (!rule.contains("items")) return {};
    for (size_t i = 0; i < value.size(); ++i)
      if (Fault found = run(rule.at("items"), value[i], fmt::format("{}[{}]", path, i))) return found;
    return {};
  }

  Fault object(const Json& rule, const Json& value, const std::string& path) const {
    for (const Json& name : rule.value("required", Json::array()))
      if (!value.contains(name)) return fault(path, " has no entry '{}'", name.get_ref<const std::string&>());
    static const Json none = Json::object();
    const Json& properties = rule.contains("properties") ? rule.at("properties") : none;
    const bool is_closed = rule.contains("additionalProperties") && rule.at("additionalProperties") == false;
    for (const auto& [name, member] : value.items()) {
      const std::string inner = (path.empty() ? "" : path + ".") + printable(name);
      if (properties.contains(name)) {
        if (Fault found = run(properties.at(name), member, inner)) return found;
      } else if (is_closed) {
        std::vector<std::string> names;
        for (const auto& [known, ignored] : properties.items()) names.push_back(known);
        return fault(path, " has an entry '{}', which means nothing here{}", printable(name),
                     did_you_mean(name, names));
      } else if (rule.contains("additionalProperties") && rule.at("additionalProperties").is_object()) {
        if (Fault found = run(rule.at("additionalProperties"), member, inner)) return found;
      }
    }
    return {};
  }

  /// Where no alternative fits: what each of them misses.
  Fault any_of(const Json& rule, const Json& value, const std::string& path) const {
    if (!rule.contains("anyOf")) return {};
    Fault best;
    for (const Json& alternative : rule.at("anyOf")) {
      Fault found = run(alternative, value, path);
      if (!found) return {};
      best = best ? *best + ", or " + *found : *found;
    }
    return best;
  }

  const Json& root_;
};

void check_keywords(const Json& rule) {
  static const std::vector<std::string> known = {"$schema",  "$id",        "$defs",
                                                 "$ref",     "title",      "description",
                                                 "type",     "const",      "enum",
                                                 "required", "items",      "minItems",
                                                 "maxItems", "minLength",  "minimum",
                                                 "maximum",  "properties", "exclusiveMinimum",
                                                 "anyOf",    "maxLength",  "additionalProperties"};
  if (!rule.is_object()) return;
  for (const auto& [name, value] : rule.items()) {
    check(std::find(known.begin(), known.end(), name) != known.end(), "schema: the keyword '{}' is not known", name);
    if (name == "properties" || name == "$defs")
      for (const auto& [property, inner] : value.items()) check_keywords(inner);
    else if (name == "items" || name == "additionalProperties")
      check_keywords(value);
    else if (name == "anyOf")
      for (const Json& alternative : value) check_keywords(alternative);
  }
}

}  // namespace

JsonSchema::JsonSchema(const std::string& text) : root_(std::make_unique<Json>(parse_json(text, "schema"))) {
  check_keywords(*root_);
}

JsonSchema::~JsonSchema() = default;

void JsonSchema::check(const Json& value, const std::string& file) const {
  if (const Fault found = Checker(*root_).run(*root_, value, "")) fail("{}: {}", file, *found);
}

const JsonSchema& sequence_schema() {
  static const JsonSchema schema(kSequenceSchema);
  return schema;
}

const JsonSchema& map_schema() {
  static const JsonSchema schema(kMapSchema);
  return schema;
}

}  // namespace bevgrad
