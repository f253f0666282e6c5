#include "autograd/functions/cells.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "tensor/channel_blocks.h"
#include "tensor/launch.h"

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
  ChannelBlocks blocks;
  bool to_cells;

  BEVGRAD_HD void operator()(int64_t i) const {
    const int64_t row = blocks.row(i), end = blocks.end(i);
    const T* source = from + (to_cells ? row : cells[row]) * blocks.channels;
    T* target = to + (to_cells ? cells[row] : row) * blocks.channels;
    for (int64_t c = blocks.begin(i); c < end; ++c) target[c] = source[c];
  }
};

Tensor rows_to_cells(const Tensor& x, const Tensor& cells, const Shape& sizes) {
  Tensor y = zeros(sizes, {x.dtype(), MemoryFormat::ChannelsLast, x.device()});
  const Tensor dense = ops::contiguous(x);
  const ChannelBlocks blocks(x.device(), sizes[1]);
  dispatch_floating("scatter_cells", x.dtype(), [&]<class T>() {
    launch(x.device(), cells.numel() * blocks.count,
           CopyRows<T>{dense.data<T>(), y.data<T>(), cells.data<int64_t>(), blocks, true}, blocks.width / 4);
  });
  return y;
}

Tensor cells_to_rows(const Tensor& x, const Tensor& cells) {
  Tensor y = empty({cells.numel(), x.size(1)}, {x.dtype(), {}, x.device()});
  const Tensor dense = ops::contiguous(x, MemoryFormat::ChannelsLast);
  const ChannelBlocks blocks(x.device(), x.size(1));
  dispatch_floating("gather_cells", x.dtype(), [&]<class T>() {
    launch(x.device(), cells.numel() * blocks.count,
           CopyRows<T>{dense.data<T>(), y.data<T>(), cells.data<int64_t>(), blocks, false}, blocks.width / 4);
  });
  return y;
}

// The rows of each cell that has some: cells [groups], where each one's rows begin in `rows` [groups + 1], rows in
// their order. One tensor, so that it is copied at once.
struct RowsOfCells {
  Tensor numbers;
  int64_t groups = 0;

  explicit RowsOfCells(const Tensor& cells) {
    const int64_t* cell = cells.data<int64_t>();
    std::vector<int64_t> rows(static_cast<size_t>(cells.numel()));
    std::iota(rows.begin(), rows.end(), 0);
    std::ranges::stable_sort(rows, {}, [&](int64_t row) { return cell[row]; });
    std::vector<int64_t> found, begins;
    for (size_t i = 0; i < rows.size(); ++i) {
      if (!found.empty() && found.back() == cell[rows[i]]) continue;
      found.push_back(cell[rows[i]]);
      begins.push_back(static_cast<int64_t>(i));
    }
    begins.push_back(static_cast<int64_t>(rows.size()));
    groups = static_cast<int64_t>(found.size());
    numbers = empty({2 * groups + 1 + cells.numel()}, {.dtype = DType::Int64});
    int64_t* next = numbers.data<int64_t>();
    for (const auto* list : {&found, &begins, &rows}) next = std::copy(list->begin(), list->end(), next);
  }
};

// Rows that share a cell are added in their order.
template <class T>
struct AddRows {
  const T* from;
  T* to;
  const int64_t* numbers;  // of RowsOfCells
  int64_t groups;
  ChannelBlocks blocks;

  BEVGRAD_HD void operator()(int64_t i) const {
    using R = compute_t<T>;
    const int64_t group = blocks.row(i), end = blocks.end(i);
    const int64_t* begins = numbers + groups;
    const int64_t* rows = begins + groups + 1;
    T* target = to + numbers[group] * blocks.channels;
    for (int64_t k = begins[group]; k < begins[group + 1]; ++k) {
      const T* row = from + rows[k] * blocks.channels;
      for (int64_t c = blocks.begin(i); c < end; ++c)
        target[c] = static_cast<T>(static_cast<R>(target[c]) + static_cast<R>(row[c]));
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
  const Tensor y = cells_to_rows(x, index);
  if (!will_record({x})) return record("gather_cells", y, {x}, nullptr);
  RowsOfCells rows(on_host);
  rows.numbers = ops::to(rows.numbers, x.device());
  return record("gather_cells", y, {x}, [rows, sizes = x.sizes()](const Tensor& dy, const NeedsGrad&) {
    const Tensor gradient = ops::contiguous(dy);
    Tensor dx = zeros(sizes, {dy.dtype(), MemoryFormat::ChannelsLast, dy.device()});
    dispatch_floating("gather_cells", dy.dtype(), [&]<class T>() {
      const ChannelBlocks blocks(dy.device(), sizes[1]);
      launch(dy.device(), rows.groups * blocks.count,
             AddRows<T>{gradient.data<T>(), dx.data<T>(), rows.numbers.data<int64_t>(), rows.groups, blocks},
             blocks.width / 4 * gradient.size(0) / std::max<int64_t>(1, rows.groups));
    });
    return Grads{dx};
  });
}

}  // namespace bevgrad
