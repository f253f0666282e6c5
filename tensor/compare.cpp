#include "tensor/compare.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "tensor/element.h"
#include "tensor/extremes.h"
#include "tensor/ops.h"
#include "tensor/pointwise.h"
#include "tensor/tape.h"

namespace bevgrad {
namespace {

enum class Relation { Equal, NotEqual, Less, LessEqual, And, Or };

// One functor for all relations, so that there is one for each dtype.
template <class T>
struct Compare {
  bool* out;
  const T* a;
  const T* b;
  Relation relation;

  BEVGRAD_HD void operator()(const std::array<int64_t, 3>& o) const {
    using C = compute_t<T>;
    const C x = static_cast<C>(a[o[1]]), y = static_cast<C>(b[o[2]]);
    bool result = false;
    switch (relation) {
      case Relation::Equal:
        result = x == y;
        break;
      case Relation::NotEqual:
        result = x != y;
        break;
      case Relation::Less:
        result = x < y;
        break;
      case Relation::LessEqual:
        result = x <= y;
        break;
      case Relation::And:
        result = x && y;
        break;
      case Relation::Or:
        result = x || y;
        break;
    }
    out[o[0]] = result;
  }
};

// Constant strides, and a relation that is known outside the loop, let the compiler use vector instructions.
template <class T, class SA, class SB, class R>
void compare_row(bool* out, const T* a, SA step_a, const T* b, SB step_b, int64_t n, R relation) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) out[i] = relation(load(a, i * step_a), load(b, i * step_b));
}

template <class T>
void compare_on_host(const Walk& walk, const Compare<T>& f) {
  using One = std::integral_constant<int64_t, 1>;
  using Zero = std::integral_constant<int64_t, 0>;
  const int64_t step_a = walk.inner(1), step_b = walk.inner(2);
  const bool combines = f.relation == Relation::And || f.relation == Relation::Or;
  if (combines || walk.inner(0) != 1 || step_a > 1 || step_b > 1 || step_a + step_b == 0)
    return launch_elements<3>(Device{}, walk, f);
  using C = compute_t<T>;
  for_each_row<3>(walk, [&](const std::array<int64_t, 3>& o, int64_t n) {
    const auto run = [&](auto relation) {
      bool* out = f.out + o[0];
      const T *a = f.a + o[1], *b = f.b + o[2];
      if (step_b == 0) return compare_row(out, a, One{}, b, Zero{}, n, relation);
      step_a ? compare_row(out, a, One{}, b, One{}, n, relation) : compare_row(out, a, Zero{}, b, One{}, n, relation);
    };
    switch (f.relation) {
      case Relation::Equal:
        return run([](C x, C y) { return x == y; });
      case Relation::NotEqual:
        return run([](C x, C y) { return x != y; });
      case Relation::Less:
        return run([](C x, C y) { return x < y; });
      default:
        return run([](C x, C y) { return x <= y; });
    }
  });
}

Tensor compare(const char* op, const Tensor& a, const Tensor& b, Relation relation) {
  const tape::EngineScope scope(op);
  tape::check_defined(op, {{"a", a}, {"b", b}});
  pointwise::check_same(op, a, b);
  const Shape sizes = broadcast_shapes(op, a.sizes(), b.sizes());
  const Tensor& layout = a.sizes() == sizes ? a : b;
  Tensor result =
      empty(sizes, {DType::Bool, layout.sizes() == sizes ? layout.suggested_format() : MemoryFormat{}, a.device()});
  const Walk walk =
      plan_walk(sizes, {{result.sizes(), result.strides()}, {a.sizes(), a.strides()}, {b.sizes(), b.strides()}});
  dispatch_all(a.dtype(), [&]<class T>() {
    const Compare<T> f{result.data<bool>(), a.data<const T>(), b.data<const T>(), relation};
    if (a.device().is_cpu()) return compare_on_host(walk, f);
    launch_elements<3>(a.device(), walk, f);
  });
  return result;
}

// Whether the integers' dtype has this value.
bool holds(DType dtype, double value) {
  if (value != std::floor(value) || std::isinf(value)) return false;
  return dispatch_all(dtype, [&]<class T>() {
    // 2^63 is the first double past int64's largest.
    const auto low = static_cast<double>(std::numeric_limits<T>::lowest());
    const double past = dtype == DType::Int64 ? 0x1p63 : static_cast<double>(std::numeric_limits<T>::max()) + 1;
    return value >= low && value < past;
  });
}

// With a number, in a's dtype; integers are compared with one that is none of theirs in float64.
Tensor compare_number(const char* op, const Tensor& a, double number,
                      Tensor (*relation)(const Tensor&, const Tensor&)) {
  tape::check_defined(op, {{"a", a}});
  const bool fits = is_floating_point(a.dtype()) || holds(a.dtype(), number);
  const Tensor left = fits ? a : ops::to(a, DType::Float64);
  return relation(left, full({}, number, {left.dtype(), {}, left.device()}));
}

void check_bool(const char* op, const Tensor& x) {
  tape::check_defined(op, {{"x", x}});
  check(x.dtype() == DType::Bool, "{}: the input is {}, expected bool", op, describe(x));
}

Tensor detached(const Tensor& x) {
  return Tensor(x.storage(), x.offset(), x.sizes(), x.strides(), x.dtype());
}

}  // namespace

Tensor eq(const Tensor& a, const Tensor& b) {
  return compare("eq", a, b, Relation::Equal);
}
Tensor ne(const Tensor& a, const Tensor& b) {
  return compare("ne", a, b, Relation::NotEqual);
}
Tensor lt(const Tensor& a, const Tensor& b) {
  return compare("lt", a, b, Relation::Less);
}
Tensor le(const Tensor& a, const Tensor& b) {
  return compare("le", a, b, Relation::LessEqual);
}
Tensor gt(const Tensor& a, const Tensor& b) {
  return compare("gt", b, a, Relation::Less);
}
Tensor ge(const Tensor& a, const Tensor& b) {
  return compare("ge", b, a, Relation::LessEqual);
}
Tensor eq(const Tensor& a, double b) {
  return compare_number("eq", a, b, eq);
}
Tensor ne(const Tensor& a, double b) {
  return compare_number("ne", a, b, ne);
}
Tensor lt(const Tensor& a, double b) {
  return compare_number("lt", a, b, lt);
}
Tensor le(const Tensor& a, double b) {
  return compare_number("le", a, b, le);
}
Tensor gt(const Tensor& a, double b) {
  return compare_number("gt", a, b, gt);
}
Tensor ge(const Tensor& a, double b) {
  return compare_number("ge", a, b, ge);
}
Tensor isnan(const Tensor& x) {
  return compare("isnan", x, x, Relation::NotEqual);
}

Tensor logical_and(const Tensor& a, const Tensor& b) {
  check_bool("logical_and", a);
  check_bool("logical_and", b);
  return compare("logical_and", a, b, Relation::And);
}
Tensor logical_or(const Tensor& a, const Tensor& b) {
  check_bool("logical_or", a);
  check_bool("logical_or", b);
  return compare("logical_or", a, b, Relation::Or);
}
Tensor logical_not(const Tensor& a) {
  check_bool("logical_not", a);
  return eq(a, 0.0);
}
bool any(const Tensor& x) {
  check_bool("any", x);
  return ops::sum(ops::to(x, DType::Float64)).item() > 0;
}
bool all(const Tensor& x) {
  check_bool("all", x);
  return !any(logical_not(x));
}

Tensor argmax(const Tensor& x, int dim, bool keep_dims) {
  tape::check_defined("argmax", {{"x", x}});
  return ops::max_with_index(detached(x), dim, keep_dims).second;
}

Tensor argmin(const Tensor& x, int dim, bool keep_dims) {
  tape::check_defined("argmin", {{"x", x}});
  return ops::min_with_index(detached(x), dim, keep_dims).second;
}

namespace {

// The indices of the first `count` in the order.
Tensor ordered(const char* op, const Tensor& x, int dim, int64_t count, bool descending) {
  const tape::EngineScope scope(op);
  tape::check_defined(op, {{"x", x}});
  const int axis = wrap_dimension(op, dim, x.dim());
  check(count >= 0 && count <= x.size(axis), "{}: {} of dimension {} of {}", op, count, dim, to_string(x.sizes()));
  const Tensor last = ops::contiguous(ops::transpose(ops::to(x, Device{}), axis, -1));
  const int64_t n = last.size(-1), lines = n ? last.numel() / n : 0;
  Shape sizes = last.sizes();
  sizes.back() = count;
  const Tensor index = empty(sizes, {DType::Int64});
  int64_t* out = index.data<int64_t>();
  dispatch_all(x.dtype(), [&]<class T>() {
    const T* values = last.data<const T>();
    launch_host(
        lines,
        [=](int64_t line) {
          const T* v = values + line * n;
          using C = compute_t<T>;
          const auto less = [v](int64_t i, int64_t j) {
            const C a = static_cast<C>(v[i]), b = static_cast<C>(v[j]);
            return a < b || (a == a && b != b);  // NaN is the largest
          };
          const auto before = [&](int64_t i, int64_t j) { return descending ? less(j, i) : less(i, j); };
          std::vector<int64_t> order(static_cast<size_t>(n));
          std::iota(order.begin(), order.end(), int64_t{0});
          if (count == n) {
            std::stable_sort(order.begin(), order.end(), before);
          } else {
            // Equal values in the order in which they stand, as a stable sort leaves them.
            std::partial_sort(order.begin(), order.begin() + count, order.end(),
                              [&](int64_t i, int64_t j) { return before(i, j) || (!before(j, i) && i < j); });
          }
          std::copy_n(order.begin(), count, out + line * count);
        },
        50 * n);
  });
  return ops::to(ops::contiguous(ops::transpose(index, axis, -1)), x.device());
}

}  // namespace

Tensor argsort(const Tensor& x, int dim, bool descending) {
  tape::check_defined("argsort", {{"x", x}});
  if (x.dim() == 0) return zeros({}, {DType::Int64, {}, x.device()});
  const int axis = wrap_dimension("argsort", dim, x.dim());
  return ordered("argsort", x, axis, x.size(axis), descending);
}

Tensor argtop(const Tensor& x, int64_t count, int dim, bool largest) {
  return ordered("topk", x, dim, count, largest);
}

}  // namespace bevgrad
