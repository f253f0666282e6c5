// Where two configs differ, for a person.
#pragma once
#include <string>

namespace bevgrad {

/// The first line in which two texts in Protobuf's format differ, with the messages around it:
/// `"train.base_lr: 0.1" on rank 0, "train.base_lr: 0.2" on rank 1`, or `"seed: 3" on rank 1, no such line on rank 0`.
/// "" where they are the same.
std::string first_difference(const std::string& first, const std::string& second, const std::string& where_first,
                             const std::string& where_second);

}  // namespace bevgrad
