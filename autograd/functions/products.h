// Products of vectors and of batches of matrices; those of two matrices are in linear.h.
#pragma once
#include "autograd/autograd.h"

namespace bevgrad {

/// a [b,m,k] x b [b,k,n] -> [b,m,n], batch entry by batch entry.
Tensor bmm(const Tensor& a, const Tensor& b);
/// The product of every element of a [m] with every one of b [n] -> [m,n].
Tensor outer(const Tensor& a, const Tensor& b);

}  // namespace bevgrad
