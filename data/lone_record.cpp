#include "data/lone_record.h"

#include "internal/record/parse.h"

namespace bevgrad {

Sample decode_lone_record(std::span<const uint8_t> bytes, const DatasetOptions& options, const std::string& source) {
  const records::Sample stored = parse_record(bytes, {source, ""});
  return decode_record(stored, options, {source, stored.key()});
}

}  // namespace bevgrad
