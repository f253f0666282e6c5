#include "autograd/functions/cells.h"

#include <vector>

#include "tensor/launch.h"
#include "tensor/row_parts.h"

namespace bevgrad {
namespace {

void check_cells(const char* op, const Tensor& cells, int64_t count, bool unique) {
  check(cells.dim() == 1 && cells.dtype() == DType::Int64, "{}: the cells are {}, expected int64 [rows]", op,
        describe(cells));
  check(cells.device().is_cpu(), "{}: the cells are {}, expected them on the cpu", op, describe(cells));
  std::vector<bool> taken(unique ? static_cast<size_t>(count) : 0, false);
  const int64_t* cell = cells.data<int64_t>();
  for (int64_t i = 0; i < cells.numel(); ++i) {
    check(cell[i] >= 0 && cell[i] < count, "{}: row {} goes to cell {} of {}", op, i, cell[i], count);
    if (!unique) continue;
    check(!taken[cell[i]], "{}: row {} goes to cell {}, which is taken", op, i, cell[i]);
    taken[cell[i]] = true;
  }
}

// [N,C,H,W] channels-last seen as rows of C.
template <class T>
struct CopyRows {
  const T* from;
  T* to;
  const int64_t* cells;
  RowParts p;
  bool to_cells;

  BEVGRAD_HD void operator()(int64_t i) const {
    const int64_t row = i / p.parts, part = i % p.parts * p.width;
    const T* source = from + (to_cells ? row : cells[row]) * p.channels + part;
    T* target = to + (to_cells ? cells[row] : row) * p.channels + part;
    for (int64_t c = 0; c < p.width; ++c) target[c] = source[c];
  }
};

Tensor rows_to_cells(const Tensor& x, const Tensor& cells, const Shape& sizes) {
  Tensor y = zeros(sizes, {x.dtype(), MemoryFormat::ChannelsLast, x.device()});
  const Tensor dense = ops::contiguous(x);
  const RowParts parts(x.device(), sizes[1]);
  dispatch_floating("scatter_cells", x.dtype(), [&]<class T>() {
    launch(x.device(), cells.numel() * parts.parts,
           CopyRows<T>{dense.data<T>(), y.data<T>(), cells.data<int64_t>(), parts, true}, parts.width / 4 + 1);
  });
  return y;
}

Tensor cells_to_rows(const Tensor& x, const Tensor& cells) {
  Tensor y = empty({cells.numel(), x.size(1)}, {x.dtype(), {}, x.device()});
  const Tensor dense = ops::contiguous(x, MemoryFormat::ChannelsLast);
  const RowParts parts(x.device(), x.size(1));
  dispatch_floating("gather_cells", x.dtype(), [&]<class T>() {
    launch(x.device(), cells.numel() * parts.parts,
           CopyRows<T>{dense.data<T>(), y.data<T>(), cells.data<int64_t>(), parts, false}, parts.width / 4 + 1);
  });
  return y;
}

// Rows that share a cell are added in their order: one index is one channel.
template <class T>
struct AddRows {
  const T* from;
  T* to;
  const int64_t* cells;
  int64_t count, channels;

  BEVGRAD_HD void operator()(int64_t c) const {
    using R = compute_t<T>;
    for (int64_t i = 0; i < count; ++i) {
      T& target = to[cells[i] * channels + c];
      target = static_cast<T>(static_cast<R>(target) + static_cast<R>(from[i * channels + c]));
    }
  }
};

}  // namespace

Tensor scatter_cells(const Tensor& x, const Tensor& cells, int64_t n, int64_t height, int64_t width) {
  const OpScope scope("scatter_cells", {{"x", x}, {"cells", cells}});
  check(x.dim() == 2 && x.size(0) == cells.numel(), "scatter_cells: the input is {}, expected [{}, channels]",
        describe(x), cells.numel());
  const Tensor on_host = ops::contiguous(cells);
  check_cells("scatter_cells", on_host, numel({n, height, width}), true);
  const Tensor index = ops::to(on_host, x.device());
  return record(
      "scatter_cells", rows_to_cells(x, index, {n, x.size(1), height, width}), {x},
      [index_ = Saved(index)](const Tensor& dy, const NeedsGrad&) { return Grads{cells_to_rows(dy, index_.get())}; });
}

Tensor gather_cells(const Tensor& x, const Tensor& cells) {
  const OpScope scope("gather_cells", {{"x", x}, {"cells", cells}});
  check(x.dim() == 4, "gather_cells: the input is {}, expected [N,C,H,W]", describe(x));
  const Tensor on_host = ops::contiguous(cells);
  check_cells("gather_cells", on_host, x.size(0) * x.size(2) * x.size(3), false);
  const Tensor index = ops::to(on_host, x.device());
  return record("gather_cells", cells_to_rows(x, index), {x},
                [index_ = Saved(index), sizes = x.sizes()](const Tensor& dy, const NeedsGrad&) {
                  const Tensor gradient = ops::contiguous(dy);
                  Tensor dx = zeros(sizes, {dy.dtype(), MemoryFormat::ChannelsLast, dy.device()});
                  const Tensor& index = index_.get();
                  dispatch_floating("gather_cells", dy.dtype(), [&]<class T>() {
                    launch(dy.device(), sizes[1],
                           AddRows<T>{gradient.data<T>(), dx.data<T>(), index.data<int64_t>(), index.numel(), sizes[1]},
                           index.numel());
                  });
                  return Grads{dx};
                });
}

}  // namespace bevgrad
