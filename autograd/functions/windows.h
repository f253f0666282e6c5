// Sliding windows as a tensor, and back.
#pragma once
#include "autograd/autograd.h"
#include "tensor/pair.h"

namespace bevgrad {

/// torch.nn.functional.unfold: the places of each window of x [N,C,H,W] as a column -> [N, C kh kw, OH OW], windows as
/// conv2d's, padding as zeros.
Tensor unfold(const Tensor& x, Pair kernel, Pair dilation = 1, Pair padding = 0, Pair stride = 1);

/// torch.nn.functional.fold, unfold's transpose: columns [N, C kh kw, L] added up where their windows lie in a map of
/// `size` -> [N,C,size.h,size.w].
Tensor fold(const Tensor& x, Pair size, Pair kernel, Pair dilation = 1, Pair padding = 0, Pair stride = 1);

}  // namespace bevgrad
