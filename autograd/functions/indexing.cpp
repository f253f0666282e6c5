#include "autograd/functions/indexing.h"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <numeric>

#include "autograd/functions/shape.h"
#include "autograd/functions/where.h"
#include "functions/internal/rule_ops.h"
#include "tensor/element.h"
#include "tensor/walk.h"

namespace bevgrad {
namespace {

void check_index(const char* op, const Tensor& x, const Tensor& index, int64_t bound) {
  check(index.dtype() == DType::Int64 && index.device() == x.device(), "{}: the index is {}, expected int64 on {}", op,
        describe(index), to_string(x.device()));
  // What is broadcast is looked at once.
  Tensor once = index;
  for (int d = 0; d < index.dim(); ++d)
    if (index.strides()[d] == 0 && index.size(d) > 1) once = ops::narrow(once, d, 0, 1);
  const Tensor on_host = ops::contiguous(ops::to(once, Device{}));
  const int64_t* values = on_host.data<const int64_t>();
  int64_t least = 0, most = -1;
#pragma omp simd reduction(min : least) reduction(max : most)
  for (int64_t i = 0; i < on_host.numel(); ++i) {
    least = std::min(least, values[i]);
    most = std::max(most, values[i]);
  }
  if (least >= 0 && most < bound) return;
  for (int64_t i = 0; i < on_host.numel(); ++i)
    check(values[i] >= 0 && values[i] < bound, "{}: index {} is {}, expected 0 to {}", op, i, values[i], bound - 1);
}

// The places in x at entry 0 of `axis` that index's positions stand beside: x's strides under index's sizes.
Tensor beside(const Tensor& x, const Shape& sizes, int axis) {
  Shape strides = x.strides();
  strides[axis] = 0;
  return Tensor(x.storage(), x.offset(), sizes, std::move(strides), x.dtype());
}

// Offsets in y, index and x.
template <class T>
struct Gather {
  T* y;
  const int64_t* index;
  const T* x;
  int64_t step;
  BEVGRAD_HD void operator()(const std::array<int64_t, 3>& o) const { y[o[0]] = x[o[2] + index[o[1]] * step]; }
};

// A tensor that is dense in its format, seen as [outer, n, inner] with the axis in the middle, where one index is good
// for all of its lines: whole rows of `inner` elements are moved, for a processor, which copies neighbours at once.
struct WholeRows {
  MemoryFormat format = MemoryFormat::Contiguous;
  int64_t outer = 1, n = 1, inner = 1;
  bool applies = false;

  WholeRows(const Tensor& x, int axis, const Tensor& index) : format(x.suggested_format()) {
    applies = x.device().is_cpu() && x.is_contiguous(format) && x.numel() > 0;
    std::vector<int> order(static_cast<size_t>(x.dim()));
    std::iota(order.begin(), order.end(), 0);
    if (format == MemoryFormat::ChannelsLast) order = {0, 2, 3, 1};
    bool behind = false;
    for (const int d : order) {
      if (d == axis) {
        behind = true;
        n = x.size(d);
        continue;
      }
      (behind ? inner : outer) *= x.size(d);
      applies = applies && index.size(d) == x.size(d) && (index.strides()[d] == 0 || x.size(d) == 1);
    }
  }
};

// One line along the axis, so that no two indices of a launch write one place. Offsets in target, index and source.
template <class T>
struct ScatterLine {
  bool adds;
  T* target;
  const int64_t* index;
  const T* source;
  int64_t n, target_step, index_step, source_step;
  BEVGRAD_HD void operator()(const std::array<int64_t, 3>& o) const {
    for (int64_t k = 0; k < n; ++k) {
      T* place = target + o[0] + index[o[1] + k * index_step] * target_step;
      const compute_t<T> value = load(source + o[2], k * source_step);
      store(place, 0, adds ? static_cast<compute_t<T>>(load(place, 0) + value) : value);
    }
  }
};

// Whether x and its index are lines of neighbours along the last dimension, one beside the other.
bool are_lines(const Tensor& x, int axis, const Tensor& index) {
  bool are = x.device().is_cpu() && axis == x.dim() - 1 && x.is_contiguous() && index.is_contiguous();
  for (int d = 0; d < axis; ++d) are = are && index.size(d) == x.size(d);
  return are && index.device().is_cpu() && index.dtype() == DType::Int64;
}

// Undefined where an index is none of x: each line is looked through just before it is read.
Tensor gathered_lines(const Tensor& x, const Tensor& index) {
  const Tensor y = empty(index.sizes(), {x.dtype()});
  if (y.numel() == 0) return y;
  const int64_t count = index.size(-1), n = x.size(-1);
  const int64_t* indices = index.data<const int64_t>();
  std::atomic<bool> outside = false;
  dispatch_all(x.dtype(), [&]<class T>() {
    T* out = y.data<T>();
    const T* in = x.data<const T>();
    launch_host(
        y.numel() / count,
        [=, &outside](int64_t line) {
          const int64_t* at = indices + line * count;
          uint64_t most = 0;  // what is negative is large
#pragma omp simd reduction(max : most)
          for (int64_t k = 0; k < count; ++k) most = std::max(most, static_cast<uint64_t>(at[k]));
          if (most >= static_cast<uint64_t>(n)) {
            outside = true;
            return;
          }
          const T* from = in + line * n;
          T* to = out + line * count;
          for (int64_t k = 0; k < count; ++k) to[k] = from[at[k]];
        },
        count);
  });
  return outside ? Tensor() : y;
}

Tensor gathered(const Tensor& x, int axis, const Tensor& index) {
  const WholeRows rows(x, axis, index);
  const Tensor y = empty(index.sizes(), {x.dtype(), rows.applies ? rows.format : MemoryFormat{}, x.device()});
  if (y.numel() == 0) return y;
  if (rows.applies) {
    const int64_t count = index.size(axis), step = index.strides()[axis], inner = rows.inner;
    const int64_t* at = index.data<const int64_t>();
    dispatch_all(x.dtype(), [&]<class T>() {
      T* out = y.data<T>();
      const T* in = x.data<const T>();
      launch_host(
          rows.outer * count,
          [=, n = rows.n](int64_t row) {
            std::copy_n(in + (row / count * n + at[row % count * step]) * inner, inner, out + row * inner);
          },
          inner / 4 + 4);
    });
    return y;
  }
  if (are_lines(x, axis, index)) return gathered_lines(x, index);
  const Tensor first = beside(x, index.sizes(), axis);
  const Walk walk = plan_walk(
      y.sizes(), {{y.sizes(), y.strides()}, {index.sizes(), index.strides()}, {first.sizes(), first.strides()}});
  dispatch_all(x.dtype(), [&]<class T>() {
    launch_elements<3>(x.device(), walk,
                       Gather<T>{y.data<T>(), index.data<const int64_t>(), first.data<const T>(), x.strides()[axis]},
                       2);
  });
  return y;
}

enum class Scatter { Add, Write };

// Rows of the source to the rows of the target that the index names, or onto them.
void scatter_rows(Scatter how, const WholeRows& rows, const Tensor& target, int axis, const Tensor& index,
                  const Tensor& source) {
  const int64_t count = index.size(axis), step = index.strides()[axis], inner = rows.inner;
  const int64_t* at = index.data<const int64_t>();
  // A thread has some columns of all rows, so that the additions keep their order.
  const int64_t width = std::max<int64_t>(16, (inner / omp_get_max_threads() + 15) / 16 * 16);
  const int64_t pieces = (inner + width - 1) / width;
  const Tensor dense = ops::contiguous(source, rows.format);
  dispatch_all(target.dtype(), [&]<class T>() {
    T* out = target.data<T>();
    const T* in = dense.data<const T>();
    launch_host(
        rows.outer * pieces,
        [=, n = rows.n](int64_t task) {
          const int64_t o = task / pieces, first = task % pieces * width, length = std::min(width, inner - first);
          for (int64_t k = 0; k < count; ++k) {
            T* to = out + (o * n + at[k * step]) * inner + first;
            const T* from = in + (o * count + k) * inner + first;
            if (how == Scatter::Write) {
              std::copy_n(from, length, to);
              continue;
            }
#pragma omp simd
            for (int64_t i = 0; i < length; ++i) store(to, i, static_cast<compute_t<T>>(load(to, i) + load(from, i)));
          }
        },
        count * width / 4 + 1);
  });
}

void scatter_(Scatter how, const Tensor& target, int axis, const Tensor& index, const Tensor& source) {
  if (index.numel() == 0) return;
  if (const WholeRows rows(target, axis, index); rows.applies)
    return scatter_rows(how, rows, target, axis, index, source);
  const Tensor i0 = ops::narrow(index, axis, 0, 1), s0 = ops::narrow(source, axis, 0, 1);
  const Tensor t0 = beside(target, i0.sizes(), axis);
  const Walk walk =
      plan_walk(i0.sizes(), {{t0.sizes(), t0.strides()}, {i0.sizes(), i0.strides()}, {s0.sizes(), s0.strides()}});
  dispatch_all(target.dtype(), [&]<class T>() {
    launch_elements<3>(
        target.device(), walk,
        ScatterLine<T>{how == Scatter::Add, t0.data<T>(), i0.data<const int64_t>(), s0.data<const T>(),
                       index.size(axis), target.strides()[axis], index.strides()[axis], source.strides()[axis]},
        2 * index.size(axis));
  });
}

void check_beside(const char* op, const Tensor& x, const Tensor& index, int axis) {
  bool fits = x.dim() == index.dim();
  for (int d = 0; fits && d < x.dim(); ++d) fits = d == axis || index.size(d) <= x.size(d);
  check(fits, "{}: the index {} does not fit {} along dimension {}", op, to_string(index.sizes()), to_string(x.sizes()),
        axis);
}

// Records reading at an index, for gather and index_select.
Tensor recorded_gather(const char* op, const Tensor& y, const Tensor& x, int axis, const Tensor& index) {
  return record(op, y, {x},
                twice([index_ = Saved(index), axis, sizes = x.sizes(), format = x.suggested_format()](
                          const Tensor& dy, const NeedsGrad&) {
                  const Tensor dx = zeros(sizes, {dy.dtype(), format, dy.device()});
                  if (rule::is_recorded()) return Grads{scatter_add(dx, axis, index_.get(), dy)};
                  scatter_(Scatter::Add, dx, axis, index_.get(), dy);
                  return Grads{dx};
                }));
}

// The dimension; throws where the three do not go together.
int checked_scatter(const char* op, const Tensor& x, int dim, const Tensor& index, const Tensor& source) {
  const int axis = wrap_dimension(op, dim, x.dim());
  check(source.dtype() == x.dtype() && source.device() == x.device() && source.sizes() == index.sizes(),
        "{}: x is {}, the index {}, the source {}; expected one dtype, and the index's sizes for the source", op,
        describe(x), describe(index), describe(source));
  check_beside(op, x, index, axis);
  check_index(op, x, index, x.size(axis));
  return axis;
}

// index [n] seen as having `sizes`, the same for every line along the axis.
Tensor along(const Tensor& index, Shape sizes, int axis) {
  Shape strides(sizes.size(), 0);
  strides[axis] = index.strides()[0];
  return Tensor(index.storage(), index.offset(), std::move(sizes), std::move(strides), DType::Int64);
}

// Where scatter's sources did not stay: each writes its place along the axis, and finds another's there.
Tensor overwritten(const Tensor& index, int axis, const Shape& sizes) {
  const TensorOptions like{DType::Float64, {}, index.device()};
  const Tensor line = arange(static_cast<double>(index.size(axis)), like);
  Shape strides(index.sizes().size(), 0);
  strides[axis] = 1;
  const Tensor places(line.storage(), line.offset(), index.sizes(), std::move(strides), DType::Float64);
  const Tensor last = zeros(sizes, like);
  scatter_(Scatter::Write, last, axis, index, places);
  return ne(gathered(last, axis, index), places);
}

}  // namespace

Tensor gather(const Tensor& x, int dim, const Tensor& index) {
  const OpScope scope("gather", {{"x", x}, {"index", index}});
  const int axis = wrap_dimension("gather", dim, x.dim());
  check_beside("gather", x, index, axis);
  Tensor y;
  if (are_lines(x, axis, index)) y = gathered_lines(x, index);
  if (!y.defined()) {
    check_index("gather", x, index, x.size(axis));
    y = gathered(x, axis, index);
  }
  return recorded_gather("gather", y, x, axis, index);
}

Tensor scatter_add(const Tensor& x, int dim, const Tensor& index, const Tensor& source) {
  const OpScope scope("scatter_add", {{"x", x}, {"index", index}, {"source", source}});
  const int axis = checked_scatter("scatter_add", x, dim, index, source);
  const Tensor y = ops::clone(x);
  scatter_(Scatter::Add, y, axis, index, source);
  return record("scatter_add", y, {x, source},
                twice([index_ = Saved(index), axis](const Tensor& dy, const NeedsGrad& needs) {
                  if (!needs[1]) return Grads{dy, Tensor()};
                  const Tensor& index = index_.get();
                  return Grads{dy, rule::is_recorded() ? gather(dy, axis, index) : gathered(dy, axis, index)};
                }));
}

Tensor scatter(const Tensor& x, int dim, const Tensor& index, const Tensor& source) {
  const OpScope scope("scatter", {{"x", x}, {"index", index}, {"source", source}});
  const int axis = checked_scatter("scatter", x, dim, index, source);
  const Tensor y = ops::clone(x);
  scatter_(Scatter::Write, y, axis, index, source);
  return record("scatter", y, {x, source},
                twice([index_ = Saved(index), axis](const Tensor& dy, const NeedsGrad& needs) {
                  const Tensor& index = index_.get();
                  const Tensor nothing = zeros(index.sizes(), {dy.dtype(), {}, dy.device()});
                  Grads grads(2);
                  if (needs[0] && rule::is_recorded()) {
                    grads[0] = scatter(dy, axis, index, nothing);
                  } else if (needs[0]) {
                    grads[0] = ops::clone(dy);
                    scatter_(Scatter::Write, grads[0], axis, index, nothing);
                  }
                  if (needs[1]) {
                    const Tensor seen = rule::is_recorded() ? gather(dy, axis, index) : gathered(dy, axis, index);
                    grads[1] = masked_fill(seen, overwritten(index, axis, dy.sizes()), 0);
                  }
                  return grads;
                }));
}

Tensor index_add(const Tensor& x, int dim, const Tensor& index, const Tensor& source) {
  tape::check_defined("index_add", {{"x", x}, {"index", index}, {"source", source}});
  const int axis = wrap_dimension("index_add", dim, x.dim());
  Shape sizes = x.sizes();
  check(index.dim() == 1, "index_add: the index is {}, expected [n]", describe(index));
  sizes[axis] = index.numel();
  check(source.sizes() == sizes, "index_add: the source is {}, expected {}", to_string(source.sizes()),
        to_string(sizes));
  return scatter_add(x, axis, along(index, sizes, axis), source);
}

Tensor index_select(const Tensor& x, int dim, const Tensor& index) {
  const OpScope scope("index_select", {{"x", x}, {"index", index}});
  const int axis = wrap_dimension("index_select", dim, x.dim());
  check(index.dim() == 1, "index_select: the index is {}, expected [n]", describe(index));
  check_index("index_select", x, index, x.size(axis));
  Shape sizes = x.sizes();
  sizes[axis] = index.numel();
  const Tensor everywhere = along(index, std::move(sizes), axis);
  return recorded_gather("index_select", gathered(x, axis, everywhere), x, axis, everywhere);
}

Tensor embedding(const Tensor& indices, const Tensor& weight, int64_t padding_index) {
  tape::check_defined("embedding", {{"indices", indices}, {"weight", weight}});
  check(weight.dim() == 2, "embedding: the weight is {}, expected [entries, width]", describe(weight));
  check(indices.dtype() == DType::Int64, "embedding: the indices are {}, expected int64", describe(indices));
  Shape sizes = indices.sizes();
  sizes.push_back(weight.size(1));
  const Tensor flat = ops::reshape(indices, {indices.numel()});
  Tensor rows = index_select(weight, 0, flat);
  if (padding_index >= 0)
    rows = where(ops::unsqueeze(eq(flat, static_cast<double>(padding_index)), 1), detach(rows), rows);
  return reshape(rows, sizes);
}

SortResult sort(const Tensor& x, int dim, bool descending) {
  tape::check_defined("sort", {{"x", x}});
  const Tensor index = argsort(x, dim, descending);
  if (x.dim() == 0) return {clone(x), index};
  return {gather(x, dim, index), index};
}

SortResult topk(const Tensor& x, int64_t count, int dim, bool largest) {
  tape::check_defined("topk", {{"x", x}});
  const Tensor index = argtop(x, count, dim, largest);
  return {gather(x, dim, index), index};
}

}  // namespace bevgrad
