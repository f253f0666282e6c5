// Calls whose meaning is plain data: NumPy's scalars and arrays, bytes and sets as protocol 2 spells them. Resolving
// them is a matter of reading their arguments; nothing is called.
#pragma once
#include "formats/value.h"

namespace bevgrad {

/// Turns, in place, such Objects into Bool, Int, Float, Bytes, Set and Tensor nodes (arrays of numbers). What does not
/// look as NumPy or CPython write it stays an Object.
void resolve_plain_objects(Document& document);

}  // namespace bevgrad
