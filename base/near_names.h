// Which names a misspelt one may have meant.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace bevgrad {

/// Levenshtein distance in bytes. Case counts.
size_t edit_distance(std::string_view a, std::string_view b);

/// The candidates closest to `name`, best first, at most `count`: those within a third of its length (at least 2) and
/// those that contain it or begin as it does.
std::vector<std::string> near_names(std::string_view name, const std::vector<std::string>& candidates,
                                    size_t count = 3);

/// `, did you mean "a", "b"?`, or nothing where no candidate is near.
std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace bevgrad
