// Sums of products by NumPy's subscripts.
#pragma once
#include <string>
#include <vector>

#include "autograd/autograd.h"

namespace bevgrad {

/// torch.einsum: a letter for each dimension of each operand, as in "bij,bjk->bik". A letter that is not behind the
/// arrow is summed over; one that an operand has twice takes its diagonal; "..." stands for dimensions that broadcast.
/// Without an arrow the result has the letters that occur once, in alphabetical order, behind those of "...". Operands
/// are multiplied from left to right, each time by bmm.
Tensor einsum(const std::string& equation, const std::vector<Tensor>& operands);

}  // namespace bevgrad
