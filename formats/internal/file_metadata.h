// What a file says of itself beside its values, in formats that have no place of their own for it.
#pragma once
#include "formats/value.h"

namespace bevgrad {

/// Puts `document.metadata` where PyTorch's users keep such things, into the attribute `_metadata` of the root's
/// OrderedDict, as its entry "__metadata__": load_state_dict() passes it over. A root that is a plain dict becomes an
/// OrderedDict for it. The marker "format" of safetensors says nothing there and is dropped. False where the root is
/// no mapping, so that there is no place.
bool embed_file_metadata(Document& document);

/// The way back: takes the entry out of a document and into `document.metadata`.
void lift_file_metadata(Document& document);

}  // namespace bevgrad
