// Joining tensors.
#include <algorithm>
#include <cstring>

#include "tensor/in_parallel.h"
#include "tensor/ops.h"
#include "tensor/tape.h"

namespace bevgrad::ops {
namespace {

// Tensors on the processor that are dense in one format, seen as rows of what lies at and behind the axis: a row of the
// result is one of each, so that the result is written from end to end. False where rows are too short for that, or
// there is one alone.
bool cat_rows(const Tensor& result, const std::vector<Tensor>& tensors, int axis, MemoryFormat format) {
  constexpr size_t kShortest = 64;  // bytes
  if (!result.device().is_cpu() || result.numel() == 0) return false;
  // In memory's order, channels come behind rows and columns.
  const auto is_before = [&](int d) {
    if (format != MemoryFormat::ChannelsLast) return d < axis;
    constexpr int kPlace[] = {0, 3, 1, 2};
    return kPlace[d] < kPlace[axis];
  };
  int64_t rows = 1;
  for (int d = 0; d < result.dim(); ++d)
    if (d != axis && is_before(d)) rows *= result.size(d);
  struct Piece {
    const char* data;
    size_t bytes;  // of a row
  };
  std::vector<Piece> pieces;
  for (const Tensor& x : tensors) {
    const size_t bytes = x.nbytes() / static_cast<size_t>(rows);
    if (rows == 1 || !x.is_contiguous(format) || (bytes < kShortest && bytes > 0)) return false;
    if (bytes > 0) pieces.push_back({static_cast<const char*>(x.const_raw_data()), bytes});
  }
  char* to = static_cast<char*>(result.raw_data());
  const size_t of_all = result.nbytes() / static_cast<size_t>(rows);
  const int64_t together = std::max<int64_t>(1, 65536 / static_cast<int64_t>(of_all));  // rows
  in_parallel((rows + together - 1) / together,
              [&](int64_t group) {
                for (int64_t row = group * together; row < std::min(rows, (group + 1) * together); ++row) {
                  char* place = to + static_cast<size_t>(row) * of_all;
                  for (const Piece& piece : pieces) {
                    std::memcpy(place, piece.data + static_cast<size_t>(row) * piece.bytes, piece.bytes);
                    place += piece.bytes;
                  }
                }
              },
              together * static_cast<int64_t>(of_all));
  return true;
}

}  // namespace

Tensor cat(const std::vector<Tensor>& all, int dim) {
  check(!all.empty(), "cat: no tensors were given");
  // As in PyTorch, a tensor of sizes [0] is nothing, whatever the others' rank.
  const auto is_nothing = [](const Tensor& x) { return x.sizes() == Shape{0}; };
  std::vector<Tensor> tensors;
  std::vector<size_t> places;
  for (size_t i = 0; i < all.size(); ++i) {
    check(all[i].defined(), "cat: input {} is undefined", i);
    check(all[i].dtype() == all[0].dtype() && all[i].device() == all[0].device(), "cat: input {} is {}, input 0 {}", i,
          describe(all[i]), describe(all[0]));
    if (is_nothing(all[i])) continue;
    tensors.push_back(all[i]);
    places.push_back(i);
  }
  if (tensors.empty()) {
    tensors = {all[0]};
    places = {0};
  }
  for (const Tensor& x : tensors) const tape::PlainOp unrecorded("cat", {{"an input", x}});
  const tape::EngineScope scope("cat");
  const Tensor& first = tensors.front();
  const int rank = first.dim();
  const int axis = wrap_dimension("cat", dim, rank);
  Shape sizes = first.sizes();
  sizes[axis] = 0;
  // A tensor of one channel or one pixel is dense in both formats: let the others decide.
  MemoryFormat format = MemoryFormat::Contiguous;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& x = tensors[i];
    bool fits = x.dim() == rank;
    for (int d = 0; fits && d < rank; ++d) fits = d == axis || x.sizes()[d] == first.sizes()[d];
    check(fits, "cat: input {} {} does not fit input {} {} along dimension {}", places[i], to_string(x.sizes()),
          places[0], to_string(first.sizes()), axis);
    sizes[axis] += x.sizes()[axis];
    if (x.suggested_format() == MemoryFormat::ChannelsLast) format = MemoryFormat::ChannelsLast;
  }
  Tensor result = empty(sizes, {first.dtype(), format, first.device()});
  if (cat_rows(result, tensors, axis, format)) return result;
  int64_t start = 0;
  for (const Tensor& x : tensors) {
    copy_(narrow(result, axis, start, x.sizes()[axis]), x);
    start += x.sizes()[axis];
  }
  return result;
}

Tensor stack(const std::vector<Tensor>& tensors, int dim) {
  check(!tensors.empty(), "stack: no tensors were given");
  for (const Tensor& x : tensors) const tape::PlainOp unrecorded("stack", {{"an input", x}});
  const tape::EngineScope scope("stack");
  std::vector<Tensor> unsqueezed;
  for (size_t i = 0; i < tensors.size(); ++i) check(tensors[i].defined(), "stack: input {} is undefined", i);
  for (const Tensor& x : tensors) {
    check(x.sizes() == tensors.front().sizes(), "stack: shapes {} and {} differ", to_string(tensors.front().sizes()),
          to_string(x.sizes()));
    unsqueezed.push_back(unsqueeze(x, dim));
  }
  return cat(unsqueezed, dim);
}

}  // namespace bevgrad::ops
