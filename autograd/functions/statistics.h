// Differentiable reductions beyond sum, mean and max (reduce.h), under the same rules for dimensions: none named means
// all, a zero-dimensional tensor has dimension 0.
#pragma once
#include <limits>
#include <utility>
#include <vector>

#include "autograd/autograd.h"

namespace bevgrad {

/// Minimum along `dim`; the gradient goes to the first of equal minima; a NaN wins.
Tensor min(const Tensor& x, int dim, bool keep_dims = false);
/// Product of all elements, or along `dim`. The gradient is right beside zeros too.
Tensor prod(const Tensor& x);
Tensor prod(const Tensor& x, int dim, bool keep_dims = false);
/// Variance and standard deviation: squares of deviations from the mean, divided by their number less `correction` (1:
/// Bessel's; 0: the biased one). The gradient of a deviation of 0 is 0.
Tensor var(const Tensor& x, const std::vector<int>& dims = {}, double correction = 1, bool keep_dims = false);
Tensor std(const Tensor& x, const std::vector<int>& dims = {}, double correction = 1, bool keep_dims = false);
/// (sum |x|^p)^(1/p); p = infinity: the largest |x|. The gradient of a norm of 0 is 0.
Tensor norm(const Tensor& x, double p = 2, const std::vector<int>& dims = {}, bool keep_dims = false);
/// log(sum(exp(x))) along `dim`, without overflow.
Tensor logsumexp(const Tensor& x, int dim, bool keep_dims = false);
/// Sums of the first 1, 2, ... elements along `dim`.
Tensor cumsum(const Tensor& x, int dim);

}  // namespace bevgrad
