// Calls whose meaning is plain data: NumPy's scalars and arrays, bytes and sets as protocol 2 spells them, OmegaConf's
// containers. Resolving them is a matter of reading their arguments; nothing is called.
#pragma once
#include "formats/value.h"

namespace bevgrad {

/// Turns, in place, such Objects into Bool, Int, Float, Complex, Bytes, Set and Tensor nodes (arrays of numbers), and
/// OmegaConf's containers into what they hold. What does not look as its library writes it stays an Object.
void resolve_plain_objects(Document& document);

}  // namespace bevgrad
