#include "autograd/functions/arrange.h"

#include <algorithm>

#include "autograd/functions/shape.h"
#include "functions/internal/rule_ops.h"

namespace bevgrad {
namespace {

// A view that runs backwards along `dims`. Its pointer is that of its last element: for copies from it only.
Tensor reversed(const Tensor& x, const std::vector<int>& dims) {
  Shape strides = x.strides();
  int64_t offset = x.offset();
  for (const int dim : dims) {
    if (x.size(dim) == 0) return x;
    offset += (x.size(dim) - 1) * strides[dim];
    strides[dim] = -strides[dim];
  }
  return Tensor(x.storage(), offset, x.sizes(), std::move(strides), x.dtype());
}

Tensor flipped(const Tensor& x, const std::vector<int>& dims) {
  const Tensor y = empty_like(x);
  ops::copy_(y, reversed(x, dims));
  return y;
}

// The part of a bordered tensor that is not border; negative widths are no border.
Tensor inside(Tensor x, const std::vector<int64_t>& widths) {
  for (size_t i = 0; i < widths.size() / 2; ++i) {
    const int dim = x.dim() - 1 - static_cast<int>(i);
    const int64_t before = std::max<int64_t>(widths[2 * i], 0), after = std::max<int64_t>(widths[2 * i + 1], 0);
    x = ops::narrow(x, dim, before, x.size(dim) - before - after);
  }
  return x;
}

// The part of a tensor that a border of negative width leaves.
Tensor left_over(Tensor x, const std::vector<int64_t>& widths) {
  for (size_t i = 0; i < widths.size() / 2; ++i) {
    const int dim = x.dim() - 1 - static_cast<int>(i);
    const int64_t before = std::max<int64_t>(-widths[2 * i], 0), after = std::max<int64_t>(-widths[2 * i + 1], 0);
    x = ops::narrow(x, dim, before, x.size(dim) - before - after);
  }
  return x;
}

Tensor pad_constant(const Tensor& x, const std::vector<int64_t>& widths, double value) {
  const OpScope scope("pad");
  Shape sizes = x.sizes();
  for (size_t i = 0; i < widths.size() / 2; ++i) sizes[sizes.size() - 1 - i] += widths[2 * i] + widths[2 * i + 1];
  const Tensor y = full(sizes, value, {x.dtype(), x.suggested_format(), x.device()});
  ops::copy_(inside(y, widths), left_over(x, widths));
  return record("pad", y, {x},
                twice([widths, from = x.sizes(), format = x.suggested_format()](const Tensor& dy, const NeedsGrad&) {
                  if (rule::is_recorded()) {
                    std::vector<int64_t> back;
                    for (const int64_t width : widths) back.push_back(-width);
                    return Grads{pad(dy, back)};
                  }
                  const Tensor dx = zeros(from, {dy.dtype(), format, dy.device()});
                  ops::copy_(left_over(dx, widths), inside(dy, widths));
                  return Grads{dx};
                }));
}

// Where entry p of a dimension, counted from the first that is no border, takes its value.
int64_t border_source(PadMode mode, int64_t p, int64_t size) {
  if (mode == PadMode::Replicate) return std::clamp<int64_t>(p, 0, size - 1);
  return p < 0 ? -p : (p >= size ? 2 * (size - 1) - p : p);
}

// Calls f(entry, source) for the border's entries of the dimension that widths[2 i] belongs to, both counted with the
// border.
template <class F>
void for_each_border(PadMode mode, const std::vector<int64_t>& widths, size_t i, int64_t size, const F& f) {
  const int64_t before = widths[2 * i], after = widths[2 * i + 1];
  for (int64_t p = before > 0 ? -before : size; p < size + after; p = p == -1 ? size : p + 1)
    f(p + before, border_source(mode, p, size) + before);
}

// The gradient of a border goes to where its values came from: dx += dy, of which dimensions from widths[2 i] on have
// borders and those before have none (any more).
void add_without_border(PadMode mode, const std::vector<int64_t>& widths, size_t i, const Tensor& dx, const Tensor& dy,
                        bool is_first) {
  if (i == widths.size() / 2) {
    if (is_first) return ops::copy_(dx, dy);
    return ops::add_(dx, dy);
  }
  const int dim = dx.dim() - 1 - static_cast<int>(i);
  const int64_t before = widths[2 * i], size = dx.size(dim);
  add_without_border(mode, widths, i + 1, dx, ops::narrow(dy, dim, before, size), is_first);
  for_each_border(mode, widths, i, size, [&](int64_t entry, int64_t source) {
    add_without_border(mode, widths, i + 1, ops::narrow(dx, dim, source - before, 1), ops::narrow(dy, dim, entry, 1),
                       false);
  });
}

Tensor pad_from_inside(const Tensor& x, const std::vector<int64_t>& widths, PadMode mode) {
  const OpScope scope("pad");
  Shape sizes = x.sizes();
  for (size_t i = 0; i < widths.size() / 2; ++i) sizes[sizes.size() - 1 - i] += widths[2 * i] + widths[2 * i + 1];
  const Tensor y = empty(sizes, {x.dtype(), x.suggested_format(), x.device()});
  ops::copy_(inside(y, widths), x);
  // The borders of the last dimension within those of the others, then whole ones.
  for (size_t i = 0; i < widths.size() / 2; ++i) {
    const int dim = x.dim() - 1 - static_cast<int>(i);
    std::vector<int64_t> of_later(widths);
    std::fill_n(of_later.begin(), 2 * (i + 1), 0);
    const Tensor part = inside(y, of_later);
    for_each_border(mode, widths, i, x.size(dim), [&](int64_t entry, int64_t source) {
      ops::copy_(ops::narrow(part, dim, entry, 1), ops::narrow(part, dim, source, 1));
    });
  }
  return record("pad", y, {x},
                [=, from = x.sizes(), format = x.suggested_format()](const Tensor& dy, const NeedsGrad&) {
                  const Tensor dx = empty(from, {dy.dtype(), format, dy.device()});
                  add_without_border(mode, widths, 0, dx, dy, true);
                  return Grads{dx};
                });
}

}  // namespace

std::vector<Tensor> unbind(const Tensor& x, int dim) {
  tape::check_defined("unbind", {{"x", x}});
  const int axis = wrap_dimension("unbind", dim, x.dim());
  std::vector<Tensor> pieces;
  for (int64_t i = 0; i < x.size(axis); ++i) pieces.push_back(select(x, axis, i));
  return pieces;
}

std::vector<Tensor> split(const Tensor& x, int64_t size, int dim) {
  tape::check_defined("split", {{"x", x}});
  const int axis = wrap_dimension("split", dim, x.dim());
  check(size > 0, "split: pieces of {}, expected a positive size", size);
  std::vector<int64_t> sizes(static_cast<size_t>(x.size(axis) / size), size);
  if (const int64_t rest = x.size(axis) % size; rest > 0 || sizes.empty()) sizes.push_back(rest);
  return split(x, sizes, axis);
}

std::vector<Tensor> split(const Tensor& x, const std::vector<int64_t>& sizes, int dim) {
  tape::check_defined("split", {{"x", x}});
  const int axis = wrap_dimension("split", dim, x.dim());
  int64_t total = 0;
  for (const int64_t size : sizes) total += size;
  check(total == x.size(axis), "split: sizes {} add up to {}, dimension {} of {} is {}", to_string(sizes), total, dim,
        to_string(x.sizes()), x.size(axis));
  std::vector<Tensor> pieces;
  int64_t start = 0;
  for (const int64_t size : sizes) {
    pieces.push_back(narrow(x, axis, start, size));
    start += size;
  }
  return pieces;
}

std::vector<Tensor> chunk(const Tensor& x, int64_t count, int dim) {
  tape::check_defined("chunk", {{"x", x}});
  check(count > 0, "chunk: {} pieces, expected a positive number", count);
  const int64_t size = x.size(dim);
  if (size == 0) return split(x, std::vector<int64_t>(static_cast<size_t>(count), 0), dim);
  return split(x, std::max<int64_t>(1, (size + count - 1) / count), dim);
}

Tensor slice(const Tensor& x, int dim, int64_t start, int64_t end, int64_t step) {
  const OpScope scope("slice", {{"x", x}});
  const int axis = wrap_dimension("slice", dim, x.dim());
  check(step >= 1, "slice: the step is {}, expected a positive one", step);
  const int64_t size = x.size(axis);
  const auto bound = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + size : at, 0, size); };
  const int64_t first = bound(start), length = std::max<int64_t>(0, (bound(end) - first + step - 1) / step);
  return record_view("slice", x, [=](const Tensor& whole) {
    Shape sizes = whole.sizes(), strides = whole.strides();
    const int64_t offset = whole.offset() + (length == 0 ? 0 : first * strides[axis]);
    sizes[axis] = length;
    strides[axis] *= step;
    return Tensor(whole.storage(), offset, std::move(sizes), std::move(strides), whole.dtype());
  });
}

Tensor flip(const Tensor& x, const std::vector<int>& dims) {
  const OpScope scope("flip", {{"x", x}});
  std::vector<int> axes;
  for (const int dim : dims) {
    axes.push_back(wrap_dimension("flip", dim, x.dim()));
    check(std::count(axes.begin(), axes.end(), axes.back()) == 1, "flip: dimension {} is named twice", dim);
  }
  return record("flip", flipped(x, axes), {x}, twice([axes](const Tensor& dy, const NeedsGrad&) {
                  return Grads{rule::is_recorded() ? flip(dy, axes) : flipped(dy, axes)};
                }));
}

Tensor roll(const Tensor& x, int64_t shift, int dim) {
  tape::check_defined("roll", {{"x", x}});
  const int axis = wrap_dimension("roll", dim, x.dim());
  const int64_t size = x.size(axis);
  if (size == 0) return clone(x);
  const int64_t moved = ((shift % size) + size) % size;
  return cat({narrow(x, axis, size - moved, moved), narrow(x, axis, 0, size - moved)}, axis);
}

Tensor repeat(const Tensor& x, const std::vector<int64_t>& repeats) {
  tape::check_defined("repeat", {{"x", x}});
  check(static_cast<int>(repeats.size()) >= x.dim(), "repeat: {} numbers for a tensor of rank {}", repeats.size(),
        x.dim());
  Shape sizes(repeats.size() - x.sizes().size(), 1);
  sizes.insert(sizes.end(), x.sizes().begin(), x.sizes().end());
  // From the last dimension on, each as [before, repeats, entries and what is behind them]: long pieces are copied, and
  // no rank is needed beyond the result's.
  Tensor y = x;
  int64_t behind = 1;
  for (size_t d = sizes.size(); d-- > 0;) {
    check(repeats[d] >= 0, "repeat: {} has a negative number", to_string(repeats));
    behind *= sizes[d];
    if (repeats[d] != 1) {
      const int64_t before = numel({sizes.begin(), sizes.begin() + static_cast<int64_t>(d)});
      y = reshape(expand(reshape(y, {before, 1, behind}), {before, repeats[d], behind}), {before, repeats[d] * behind});
    }
    sizes[d] *= repeats[d];
    behind *= repeats[d];
  }
  return y.is_same(x) ? clone(reshape(x, sizes)) : reshape(y, sizes);
}

Tensor pad(const Tensor& x, const std::vector<int64_t>& widths, PadMode mode, double value) {
  tape::check_defined("pad", {{"x", x}});
  check(widths.size() % 2 == 0 && static_cast<int>(widths.size() / 2) <= x.dim(),
        "pad: {} widths for a tensor of rank {}, expected two for each dimension from the last on", widths.size(),
        x.dim());
  for (size_t i = 0; i < widths.size() / 2; ++i) {
    const int64_t size = x.size(-1 - static_cast<int>(i)), before = widths[2 * i], after = widths[2 * i + 1];
    if (mode == PadMode::Constant)
      check(size + std::min<int64_t>(before, 0) + std::min<int64_t>(after, 0) >= 0,
            "pad: widths {} and {} take more than the {} entries of {}", before, after, size, to_string(x.sizes()));
    if (mode == PadMode::Reflect)
      check(before >= 0 && after >= 0 && before < size && after < size,
            "pad: reflecting {} and {} entries needs a dimension that is larger, {} has {}", before, after,
            to_string(x.sizes()), size);
    if (mode == PadMode::Replicate)
      check(before >= 0 && after >= 0 && size > 0, "pad: {} and {} entries cannot repeat the border of {}", before,
            after, to_string(x.sizes()));
  }
  if (mode == PadMode::Constant) return pad_constant(x, widths, value);
  return pad_from_inside(x, widths, mode);
}

}  // namespace bevgrad
