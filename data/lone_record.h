// A record that lies in no data set.
#pragma once
#include <span>
#include <string>

#include "data/record.h"

namespace bevgrad {

/// decode_record for a record that stands alone: its key is the one that it holds, which may be empty. `source` names
/// where it came from, for messages.
Sample decode_lone_record(std::span<const uint8_t> bytes, const DatasetOptions& options, const std::string& source);

}  // namespace bevgrad
