// Views: new sizes and strides over the same memory.
#include <algorithm>
#include <optional>

#include "tensor/ops.h"
#include "tensor/tape.h"

namespace bevgrad::ops {
namespace {

Tensor alias(const Tensor& x, Shape sizes, Shape strides, int64_t offset) {
  return Tensor(x.storage(), offset, std::move(sizes), std::move(strides), x.dtype());
}

// Replaces the one -1 and checks the count.
Shape resolved(const char* op, const Tensor& x, Shape sizes) {
  int64_t known = 1;
  int unknown = -1;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == -1) {
      check(unknown < 0, "{}: {} has more than one -1", op, to_string(sizes));
      unknown = static_cast<int>(i);
    } else {
      check(sizes[i] >= 0 && !__builtin_mul_overflow(known, sizes[i], &known), "{}: {} is no shape", op,
            to_string(sizes));
    }
  }
  const Shape asked = sizes;
  if (unknown >= 0 && known > 0) sizes[unknown] = x.numel() / known;
  check((unknown < 0 || known > 0) && numel(sizes) == x.numel(), "{}: {} elements of shape {} do not fit {}", op,
        x.numel(), to_string(x.sizes()), to_string(asked));
  return sizes;
}

// Strides of `sizes` over the memory of x, where they exist: each run of x's dimensions that is dense in itself is cut
// anew.
std::optional<Shape> view_strides(const Tensor& x, const Shape& sizes) {
  if (x.numel() == 0) return dense_strides(sizes, MemoryFormat::Contiguous);
  Shape strides(sizes.size());
  int target = static_cast<int>(sizes.size()) - 1;
  int64_t run = 1;     // elements of the present run of x
  int64_t placed = 1;  // of those, covered by new dimensions
  int64_t base = x.dim() ? x.strides().back() : 1;
  for (int d = x.dim() - 1; d >= 0; --d) {
    run *= x.sizes()[d];
    const bool ends = d == 0 || (x.sizes()[d - 1] != 1 && x.strides()[d - 1] != run * base);
    if (!ends) continue;
    while (target >= 0 && (placed < run || sizes[target] == 1)) {
      strides[target] = placed * base;
      placed *= sizes[target];
      --target;
    }
    if (placed != run) return std::nullopt;
    if (d > 0) {
      base = x.strides()[d - 1];
      run = 1;
      placed = 1;
    }
  }
  for (; target >= 0; --target) strides[target] = 1;  // only sizes of 1 are left
  return strides;
}

}  // namespace

Tensor view(const Tensor& x, Shape sizes) {
  const tape::PlainOp scope("view", {{"x", x}});
  sizes = resolved("view", x, std::move(sizes));
  auto strides = view_strides(x, sizes);
  check(strides.has_value(), "view: {} with strides {} cannot be seen as {} without a copy", to_string(x.sizes()),
        to_string(x.strides()), to_string(sizes));
  return alias(x, std::move(sizes), std::move(*strides), x.offset());
}

Tensor reshape(const Tensor& x, Shape sizes) {
  const tape::PlainOp scope("reshape", {{"x", x}});
  sizes = resolved("reshape", x, std::move(sizes));
  if (auto strides = view_strides(x, sizes)) return alias(x, std::move(sizes), std::move(*strides), x.offset());
  Tensor copy = empty(x.sizes(), {x.dtype(), MemoryFormat::Contiguous, x.device()});
  copy_(copy, x);
  return view(copy, std::move(sizes));
}

Tensor permute(const Tensor& x, const std::vector<int>& dims) {
  const tape::PlainOp scope("permute", {{"x", x}});
  check(static_cast<int>(dims.size()) == x.dim(), "permute: {} dimensions were given for a tensor of rank {}",
        dims.size(), x.dim());
  Shape sizes(dims.size()), strides(dims.size());
  std::vector<bool> used(dims.size(), false);
  for (size_t i = 0; i < dims.size(); ++i) {
    const int d = wrap_dimension("permute", dims[i], x.dim());
    check(!used[d], "permute: dimension {} is named twice", dims[i]);
    used[d] = true;
    sizes[i] = x.sizes()[d];
    strides[i] = x.strides()[d];
  }
  return alias(x, std::move(sizes), std::move(strides), x.offset());
}

Tensor transpose(const Tensor& x, int dim0, int dim1) {
  const tape::PlainOp scope("transpose", {{"x", x}});
  dim0 = wrap_dimension("transpose", dim0, x.dim());
  dim1 = wrap_dimension("transpose", dim1, x.dim());
  Shape sizes = x.sizes(), strides = x.strides();
  std::swap(sizes[dim0], sizes[dim1]);
  std::swap(strides[dim0], strides[dim1]);
  return alias(x, std::move(sizes), std::move(strides), x.offset());
}

Tensor narrow(const Tensor& x, int dim, int64_t start, int64_t length) {
  const tape::PlainOp scope("narrow", {{"x", x}});
  dim = wrap_dimension("narrow", dim, x.dim());
  check(start >= 0 && length >= 0 && start <= x.sizes()[dim] && length <= x.sizes()[dim] - start,
        "narrow: [{}, {}+{}) is not within dimension {} of {}", start, start, length, dim, to_string(x.sizes()));
  Shape sizes = x.sizes();
  sizes[dim] = length;
  return alias(x, std::move(sizes), x.strides(), x.offset() + (length ? start * x.strides()[dim] : 0));
}

Tensor select(const Tensor& x, int dim, int64_t index) {
  const tape::PlainOp scope("select", {{"x", x}});
  dim = wrap_dimension("select", dim, x.dim());
  const int64_t size = x.sizes()[dim];
  check(index >= -size && index < size, "select: index {} is not within dimension {} of {}", index, dim,
        to_string(x.sizes()));
  if (index < 0) index += size;
  Shape sizes = x.sizes(), strides = x.strides();
  const int64_t offset = x.offset() + index * strides[dim];
  sizes.erase(sizes.begin() + dim);
  strides.erase(strides.begin() + dim);
  return alias(x, std::move(sizes), std::move(strides), offset);
}

Tensor unsqueeze(const Tensor& x, int dim) {
  const tape::PlainOp scope("unsqueeze", {{"x", x}});
  dim = wrap_dimension("unsqueeze", dim, x.dim() + 1);
  Shape sizes = x.sizes(), strides = x.strides();
  const int64_t stride = dim < x.dim() ? sizes[dim] * strides[dim] : 1;
  sizes.insert(sizes.begin() + dim, 1);
  strides.insert(strides.begin() + dim, stride);
  return alias(x, std::move(sizes), std::move(strides), x.offset());
}

Tensor squeeze(const Tensor& x, int dim) {
  const tape::PlainOp scope("squeeze", {{"x", x}});
  dim = wrap_dimension_or_scalar("squeeze", dim, x.dim());
  if (x.dim() == 0 || x.sizes()[dim] != 1) return alias(x, x.sizes(), x.strides(), x.offset());
  Shape sizes = x.sizes(), strides = x.strides();
  sizes.erase(sizes.begin() + dim);
  strides.erase(strides.begin() + dim);
  return alias(x, std::move(sizes), std::move(strides), x.offset());
}

Tensor expand(const Tensor& x, const Shape& sizes) {
  const tape::PlainOp scope("expand", {{"x", x}});
  const int missing = static_cast<int>(sizes.size()) - x.dim();
  check(missing >= 0, "expand: {} does not broadcast to {}", to_string(x.sizes()), to_string(sizes));
  Shape strides(sizes.size(), 0);
  for (int d = 0; d < x.dim(); ++d) {
    const int64_t from = x.sizes()[d], to = sizes[d + missing];
    check(from == to || (from == 1 && to >= 0), "expand: {} does not broadcast to {}", to_string(x.sizes()),
          to_string(sizes));
    strides[d + missing] = from == to ? x.strides()[d] : 0;
  }
  return alias(x, sizes, std::move(strides), x.offset());
}

}  // namespace bevgrad::ops
