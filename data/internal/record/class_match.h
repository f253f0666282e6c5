// A record's classes and a config's, by their names.
#pragma once
#include <string>
#include <vector>

#include "data/record.h"
#include "data/record.pb.h"

namespace bevgrad {

/// For every class of the record its number in the config, or -1.
std::vector<int> match_classes(const google::protobuf::RepeatedPtrField<std::string>& stored,
                               const std::vector<std::string>& wanted, const RecordOrigin& origin, const char* field);
bool any_matched(const std::vector<int>& match);

}  // namespace bevgrad
