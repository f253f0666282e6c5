#include "autograd/functions/windows.h"

#include "functions/internal/conv_support.h"
#include "functions/internal/rule_ops.h"

namespace bevgrad {
namespace {

struct Sliding {
  Pair kernel, dilation, padding, stride;
  int64_t channels, h, w;  // of the map
  int64_t rows, columns;   // windows

  int64_t places() const { return channels * kernel.h * kernel.w; }
};

Sliding sliding(const char* op, Pair kernel, Pair dilation, Pair padding, Pair stride, int64_t channels, int64_t h,
                int64_t w) {
  conv_support::check_window(op, stride, padding, dilation);
  check(kernel.h >= 1 && kernel.w >= 1, "{}: kernel {} must be positive", op, to_string(kernel));
  check(h + 2 * padding.h > dilation.h * (kernel.h - 1) && w + 2 * padding.w > dilation.w * (kernel.w - 1),
        "{}: kernel {} with dilation {} is larger than a map of {}x{} with padding {}", op, to_string(kernel),
        to_string(dilation), h, w, to_string(padding));
  return {kernel,
          dilation,
          padding,
          stride,
          channels,
          h,
          w,
          conv_size(h, kernel.h, stride.h, padding.h, dilation.h),
          conv_size(w, kernel.w, stride.w, padding.w, dilation.w)};
}

Tensor bordered_zeros(const Sliding& s, int64_t n, const Tensor& like) {
  return zeros({n, s.channels, s.h + 2 * s.padding.h, s.w + 2 * s.padding.w}, {like.dtype(), {}, like.device()});
}

Tensor inside_border(const Tensor& bordered, const Sliding& s) {
  return ops::narrow(ops::narrow(bordered, 2, s.padding.h, s.h), 3, s.padding.w, s.w);
}

// What each window sees at the kernel's place (r, q) of a bordered map: a view [N,C,rows,columns].
Tensor seen_at(const Tensor& bordered, const Sliding& s, int r, int q) {
  const int64_t down = bordered.stride(2), along = bordered.stride(3);
  return Tensor(bordered.storage(), bordered.offset() + r * s.dilation.h * down + q * s.dilation.w * along,
                {bordered.size(0), s.channels, s.rows, s.columns},
                {bordered.stride(0), bordered.stride(1), down * s.stride.h, along * s.stride.w}, bordered.dtype());
}

template <class F>
void for_each_place(const Sliding& s, const F& f) {
  for (int r = 0; r < s.kernel.h; ++r)
    for (int q = 0; q < s.kernel.w; ++q) f(r, q);
}

// [N, C kh kw, L] seen as one [N,C,rows,columns] for each place of the kernel.
Tensor columns_at(const Tensor& columns, const Sliding& s, int r, int q) {
  const Tensor apart =
      ops::view(columns, {columns.size(0), s.channels, int64_t{s.kernel.h} * s.kernel.w, s.rows, s.columns});
  return ops::select(apart, 2, int64_t{r} * s.kernel.w + q);
}

Tensor unfolded(const Tensor& x, const Sliding& s) {
  Tensor bordered = x;
  if (!(s.padding == 0)) {
    bordered = bordered_zeros(s, x.size(0), x);
    ops::copy_(inside_border(bordered, s), x);
  }
  const Tensor y = empty({x.size(0), s.places(), s.rows * s.columns}, {x.dtype(), {}, x.device()});
  for_each_place(s, [&](int r, int q) { ops::copy_(columns_at(y, s, r, q), seen_at(bordered, s, r, q)); });
  return y;
}

Tensor folded(const Tensor& columns, const Sliding& s) {
  const Tensor dense = ops::contiguous(columns), bordered = bordered_zeros(s, columns.size(0), columns);
  for_each_place(s, [&](int r, int q) { ops::add_(seen_at(bordered, s, r, q), columns_at(dense, s, r, q)); });
  return inside_border(bordered, s);
}

}  // namespace

Tensor unfold(const Tensor& x, Pair kernel, Pair dilation, Pair padding, Pair stride) {
  const OpScope scope("unfold", {{"x", x}});
  check(x.dim() == 4 && is_floating_point(x.dtype()), "unfold: expected a floating-point [N,C,H,W], got {}",
        describe(x));
  const Sliding s = sliding("unfold", kernel, dilation, padding, stride, x.size(1), x.size(2), x.size(3));
  const Pair size{static_cast<int>(x.size(2)), static_cast<int>(x.size(3))};
  return record("unfold", unfolded(x, s), {x}, twice([=](const Tensor& dy, const NeedsGrad&) {
                  if (!rule::is_recorded()) return Grads{folded(dy, s)};
                  return Grads{fold(dy, size, kernel, dilation, padding, stride)};
                }));
}

Tensor fold(const Tensor& x, Pair size, Pair kernel, Pair dilation, Pair padding, Pair stride) {
  const OpScope scope("fold", {{"x", x}});
  const int64_t places = int64_t{kernel.h} * kernel.w;
  check(x.dim() == 3 && is_floating_point(x.dtype()) && places > 0 && x.size(1) % places == 0,
        "fold: expected a floating-point [N, C * {}, L], got {}", places, describe(x));
  const Sliding s = sliding("fold", kernel, dilation, padding, stride, x.size(1) / places, size.h, size.w);
  check(x.size(2) == s.rows * s.columns, "fold: a map of {} has {} windows, input {} has {}", to_string(size),
        s.rows * s.columns, to_string(x.sizes()), x.size(2));
  return record("fold", folded(x, s), {x}, twice([=](const Tensor& dy, const NeedsGrad&) {
                  if (!rule::is_recorded()) return Grads{unfolded(dy, s)};
                  return Grads{unfold(dy, kernel, dilation, padding, stride)};
                }));
}

}  // namespace bevgrad
