// Differentiable functions that cut tensors up, repeat and border them. Pieces are views of their tensor, whose
// gradients cost as much together as the tensor's own.
#pragma once
#include <limits>
#include <vector>

#include "autograd/autograd.h"

namespace bevgrad {

/// Every index of `dim`, which disappears.
std::vector<Tensor> unbind(const Tensor& x, int dim = 0);
/// Pieces of `size` along `dim`, the last one smaller where it does not divide.
std::vector<Tensor> split(const Tensor& x, int64_t size, int dim = 0);
/// Pieces of these sizes, which add up to the dimension's.
std::vector<Tensor> split(const Tensor& x, const std::vector<int64_t>& sizes, int dim = 0);
/// At most `count` pieces of one size (but for the last), as PyTorch cuts them.
std::vector<Tensor> chunk(const Tensor& x, int64_t count, int dim = 0);

/// x[start:end:step] along `dim`, as Python has it: negative bounds count from the end, bounds beyond it are the end;
/// the step is positive.
Tensor slice(const Tensor& x, int dim, int64_t start = 0, int64_t end = std::numeric_limits<int64_t>::max(),
             int64_t step = 1);

/// The order of the elements reversed along each of `dims`.
Tensor flip(const Tensor& x, const std::vector<int>& dims);
/// Elements moved up by `shift` along `dim`; those past the end come in again at the start.
Tensor roll(const Tensor& x, int64_t shift, int dim);
/// x so many times along each dimension; more numbers than dimensions add new ones in front.
Tensor repeat(const Tensor& x, const std::vector<int64_t>& repeats);

enum class PadMode { Constant, Reflect, Replicate };
/// Entries added before and after the last dimensions: {before, after} of the last one, then of the one before it, ...
/// (PyTorch's order). Constant adds `value`, and takes away where a number is negative; Reflect mirrors without
/// repeating the border and adds less than the dimension has; Replicate repeats the border.
Tensor pad(const Tensor& x, const std::vector<int64_t>& widths, PadMode mode = PadMode::Constant, double value = 0);

}  // namespace bevgrad
