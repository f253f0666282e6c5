// JSON checked against a schema of json-schema.org: the keywords type, const, enum, required, properties,
// additionalProperties, items, minItems, maxItems, minLength, maxLength, minimum, maximum, exclusiveMinimum, anyOf and
// $ref into $defs. A schema with another one is refused, so that none is passed over in silence.
#pragma once
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace bevgrad {

class JsonSchema {
 public:
  /// Throws for a schema that is no JSON or has a keyword that is not known here.
  explicit JsonSchema(const std::string& text);
  ~JsonSchema();

  /// Throws in one line for the first thing that does not fit: `file`, the value's path ("frames[3].ego_pose"), what
  /// came and what was expected.
  void check(const nlohmann::json& value, const std::string& file) const;

 private:
  std::unique_ptr<nlohmann::json> root_;
};

/// The schemas of a sequence and of a map in the neutral folder, as they lie in data/neutral/.
const JsonSchema& sequence_schema();
const JsonSchema& map_schema();

}  // namespace bevgrad
