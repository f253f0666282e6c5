// A checkpoint, or two, as a page for a browser.
#pragma once
#include <string>

#include "formats/state_dict.h"

namespace bevgrad {

/// One HTML file that needs no other: the names as a tree that can be searched; of each tensor its statistics and a
/// histogram; with `b` what both have next to each other, with the differences of values. Reads all values.
std::string inspect_html(const CheckpointFile& a, const CheckpointFile* b);

}  // namespace bevgrad
