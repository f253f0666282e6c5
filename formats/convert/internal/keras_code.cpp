#include "convert/internal/keras_code.h"

#include <nlohmann/json.hpp>

namespace bevgrad {

uint64_t count_keras_lambdas(const Document& document) {
  if (!document.is_mapping(document.metadata)) return 0;
  const auto config = document.find(document.metadata, "model_config");
  if (!config) return 0;
  using Json = nlohmann::json;
  using Event = Json::parse_event_t;
  uint64_t count = 0;
  bool names_class = false;
  // Values are looked at as they come and none is kept.
  const auto look = [&](int, Event event, const Json& value) {
    if (event == Event::value) count += names_class && value == "Lambda" ? 1 : 0;
    names_class = event == Event::key && value == "class_name";
    // Keys, and what values stand in, until it ends.
    return event == Event::key || event == Event::object_start || event == Event::array_start;
  };
  [[maybe_unused]] const Json nothing = Json::parse(document.node(*config).text, look, false);
  return count;
}

}  // namespace bevgrad
