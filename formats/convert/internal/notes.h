// What a conversion cannot keep, said exactly.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/state_dict.h"

namespace bevgrad {

using MetadataTexts = std::vector<std::pair<std::string, std::string>>;

/// What the file and its root say as texts and numbers: the only metadata that safetensors has. A note names every
/// other part of the structure that is no parameter, as high up as all below it is lost; `target` says where to.
MetadataTexts tensors_metadata(const Document& document, std::string_view target, std::vector<std::string>& notes);

/// Says what in the state dict is no tensor, where it is made anew of its tensors.
void note_lost_entries(const Document& document, std::vector<std::string>& notes);

/// Says which objects of other libraries' classes become dictionaries in PyTorch's files.
void note_objects(const Document& document, std::vector<std::string>& notes);

/// "a, b, c and 4 more"
std::string listed(const std::vector<std::string>& names);

}  // namespace bevgrad
