// The functors of the elementary per-element operations, single source for every device.
#pragma once
#include <cmath>

#include "tensor/elementary.h"
#include "tensor/host_device.h"

namespace bevgrad::functors {

struct Add {
  template <class T>
  BEVGRAD_HD T operator()(T a, T b) const {
    return a + b;
  }
};
struct Sub {
  template <class T>
  BEVGRAD_HD T operator()(T a, T b) const {
    return a - b;
  }
};
struct Mul {
  template <class T>
  BEVGRAD_HD T operator()(T a, T b) const {
    return a * b;
  }
};
struct Div {
  template <class T>
  BEVGRAD_HD T operator()(T a, T b) const {
    return a / b;
  }
};
struct NegativeProduct {
  template <class T>
  BEVGRAD_HD T operator()(T a, T b) const {
    return -a * b;
  }
};
/// a + alpha * b
struct AddScaled {
  double alpha;
  template <class T>
  BEVGRAD_HD T operator()(T a, T b) const {
    return a + static_cast<T>(alpha) * b;
  }
};
struct AddScalar {
  double b;
  template <class T>
  BEVGRAD_HD T operator()(T a) const {
    return a + static_cast<T>(b);
  }
};
struct MulScalar {
  double b;
  template <class T>
  BEVGRAD_HD T operator()(T a) const {
    return a * static_cast<T>(b);
  }
};
struct DivScalar {
  double b;
  template <class T>
  BEVGRAD_HD T operator()(T a) const {
    return a / static_cast<T>(b);
  }
};
struct Neg {
  template <class T>
  BEVGRAD_HD T operator()(T a) const {
    return -a;
  }
};
struct Exp {
  template <class T>
  BEVGRAD_HD T operator()(T a) const {
    return elementary::exp(a);
  }
};
struct Log {
  template <class T>
  BEVGRAD_HD T operator()(T a) const {
    return elementary::log(a);
  }
};
struct Sqrt {
  template <class T>
  BEVGRAD_HD T operator()(T a) const {
    return std::sqrt(a);
  }
};
struct Abs {
  template <class T>
  BEVGRAD_HD T operator()(T a) const {
    return std::abs(a);
  }
};
/// NaN stays NaN.
struct Relu {
  template <class T>
  BEVGRAD_HD T operator()(T a) const {
    return a < T(0) ? T(0) : a;
  }
};
struct Sigmoid {
  template <class T>
  BEVGRAD_HD T operator()(T a) const {
    return elementary::sigmoid(a);
  }
};
struct Clamp {
  double low, high;
  template <class T>
  BEVGRAD_HD T operator()(T a) const {
    const T l = static_cast<T>(low), h = static_cast<T>(high);
    const T raised = a < l ? l : a;
    return raised > h ? h : raised;
  }
};

// Gradients: of the output's gradient `dy` and the input `x` or the output `y`.
struct ReluBackward {
  template <class T>
  BEVGRAD_HD T operator()(T dy, T y) const {
    return y <= T(0) ? T(0) : dy;
  }
};
struct SigmoidBackward {
  template <class T>
  BEVGRAD_HD T operator()(T dy, T y) const {
    return dy * y * (T(1) - y);
  }
};
struct SqrtBackward {
  template <class T>
  BEVGRAD_HD T operator()(T dy, T y) const {
    return dy / (y + y);
  }
};
struct AbsBackward {
  template <class T>
  BEVGRAD_HD T operator()(T dy, T x) const {
    return x > T(0) ? dy : (x < T(0) ? -dy : T(0));
  }
};
/// At the bounds themselves, and at NaN, the gradient is 0.
struct ClampBackward {
  double low, high;
  template <class T>
  BEVGRAD_HD T operator()(T dy, T x) const {
    return x > static_cast<T>(low) && x < static_cast<T>(high) ? dy : T(0);
  }
};

}  // namespace bevgrad::functors
