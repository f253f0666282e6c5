// Tensors in plain pickles (pickle.dump, joblib): their storages are PyTorch files of their own, held as bytes.
#pragma once
#include "formats/value.h"

namespace bevgrad {

/// Reads torch.storage._load_from_bytes(bytes) and the tensors that are rebuilt from it, in place, one level deep.
/// Globals of the inner files are carried into the document, to be judged with its own. Bytes that are no storage stay
/// the call that they were.
void resolve_nested_storages(Document& document);

}  // namespace bevgrad
