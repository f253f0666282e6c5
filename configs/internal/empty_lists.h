// `name: []` in Protobuf text. The parser takes it for nothing at all, so that a list that a config empties would keep
// its base's values.
#pragma once
#include <map>
#include <string>

#include "configs/document.h"

namespace bevgrad::configs {

/// Paths of the lists that `text` (which parses) writes as empty, with their lines; those within lists of messages are
/// left out, whose elements begin without a base's values anyway.
std::map<std::string, Origin> find_empty_lists(const std::string& text, const std::string& source);

/// Empties the list at a path of find_empty_lists.
void clear_list(config::Config& proto, const std::string& path);

/// How many values the list has.
int list_size(const config::Config& proto, const std::string& path);

}  // namespace bevgrad::configs
