// The functors of activations and of the less usual elementary functions, and of their gradients: of the output's
// gradient `dy` and the input `x` or the output `y`. Single source for every device.
#pragma once
#include <cmath>

#include "tensor/host_device.h"
#include "tensor/power.h"
#include "tensor/transcendental.h"

namespace bevgrad::functors {

struct Tanh {
  template <class T>
  BEVGRAD_HD T operator()(T a) const {
    return elementary::tanh(a);
  }
};
struct TanhBackward {
  template <class T>
  BEVGRAD_HD T operator()(T dy, T y) const {
    return dy * (T(1) - y * y);
  }
};
struct Erf {
  template <class T>
  BEVGRAD_HD T operator()(T a) const {
    return elementary::erf(a);
  }
};
struct ErfBackward {
  template <class T>
  BEVGRAD_HD T operator()(T dy, T x) const {
    return dy * T(1.1283791670955126) * elementary::exp(-x * x);  // 2 / sqrt(pi)
  }
};
struct Sin {
  template <class T>
  BEVGRAD_HD T operator()(T a) const {
    return std::sin(a);
  }
};
struct Cos {
  template <class T>
  BEVGRAD_HD T operator()(T a) const {
    return std::cos(a);
  }
};
struct Log1p {
  template <class T>
  BEVGRAD_HD T operator()(T a) const {
    return elementary::log1p(a);
  }
};
struct Log1pBackward {
  template <class T>
  BEVGRAD_HD T operator()(T dy, T x) const {
    return dy / (x + T(1));
  }
};
struct Expm1 {
  template <class T>
  BEVGRAD_HD T operator()(T a) const {
    return elementary::expm1(a);
  }
};
struct Expm1Backward {
  template <class T>
  BEVGRAD_HD T operator()(T dy, T y) const {
    return dy * (y + T(1));
  }
};
struct Rsqrt {
  template <class T>
  BEVGRAD_HD T operator()(T a) const {
    return T(1) / std::sqrt(a);
  }
};
struct RsqrtBackward {
  template <class T>
  BEVGRAD_HD T operator()(T dy, T y) const {
    return T(-0.5) * dy * y * y * y;
  }
};
struct Square {
  template <class T>
  BEVGRAD_HD T operator()(T a) const {
    return a * a;
  }
};
struct SquareBackward {
  template <class T>
  BEVGRAD_HD T operator()(T dy, T x) const {
    return dy * T(2) * x;
  }
};
struct PowScalar {
  double exponent;
  template <class T>
  BEVGRAD_HD T operator()(T a) const {
    return elementary::power(a, static_cast<T>(exponent));
  }
};
struct PowScalarBackward {
  double exponent;
  template <class T>
  BEVGRAD_HD T operator()(T dy, T x) const {
    if (exponent == 0) return T(0);
    return dy * static_cast<T>(exponent) * elementary::power(x, static_cast<T>(exponent - 1));
  }
};
struct Pow {
  template <class T>
  BEVGRAD_HD T operator()(T a, T b) const {
    return elementary::power(a, b);
  }
};
/// d a^b / da
struct PowOfBase {
  template <class T>
  BEVGRAD_HD T operator()(T a, T b) const {
    return b == T(0) ? T(0) : b * elementary::power(a, b - T(1));
  }
};
/// d a^b / db: 0 at a = 0 for b >= 0.
struct PowOfExponent {
  template <class T>
  BEVGRAD_HD T operator()(T a, T b) const {
    return a == T(0) && b >= T(0) ? T(0) : elementary::power(a, b) * elementary::log(a);
  }
};
/// A NaN on either side is the result.
struct Maximum {
  template <class T>
  BEVGRAD_HD T operator()(T a, T b) const {
    return a != a || a > b ? a : b;
  }
};
struct Minimum {
  template <class T>
  BEVGRAD_HD T operator()(T a, T b) const {
    return a != a || a < b ? a : b;
  }
};
/// The first operand's share of the gradient of a maximum; equal operands have half each.
struct MaximumShare {
  template <class T>
  BEVGRAD_HD T operator()(T a, T b) const {
    return a == b ? T(0.5) : (a < b ? T(0) : T(1));
  }
};
struct MinimumShare {
  template <class T>
  BEVGRAD_HD T operator()(T a, T b) const {
    return a == b ? T(0.5) : (a > b ? T(0) : T(1));
  }
};
struct Gelu {
  template <class T>
  BEVGRAD_HD T operator()(T x) const {
    return T(0.5) * x * (T(1) + elementary::erf(x * T(0.70710678118654752)));
  }
};
struct GeluBackward {
  template <class T>
  BEVGRAD_HD T operator()(T dy, T x) const {
    const T below = T(0.5) * (T(1) + elementary::erf(x * T(0.70710678118654752)));
    return dy * (below + x * T(0.39894228040143268) * elementary::exp(T(-0.5) * x * x));  // 1 / sqrt(2 pi)
  }
};
/// x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
struct GeluTanh {
  template <class T>
  BEVGRAD_HD T operator()(T x) const {
    return T(0.5) * x * (T(1) + elementary::tanh(T(0.79788456080286536) * (x + T(0.044715) * x * x * x)));
  }
};
struct GeluTanhBackward {
  template <class T>
  BEVGRAD_HD T operator()(T dy, T x) const {
    const T inner = elementary::tanh(T(0.79788456080286536) * (x + T(0.044715) * x * x * x));
    const T slope = T(0.79788456080286536) * (T(1) + T(3 * 0.044715) * x * x);
    return dy * T(0.5) * (T(1) + inner + x * (T(1) - inner * inner) * slope);
  }
};
struct Silu {
  template <class T>
  BEVGRAD_HD T operator()(T x) const {
    return x * elementary::sigmoid(x);
  }
};
struct SiluBackward {
  template <class T>
  BEVGRAD_HD T operator()(T dy, T x) const {
    const T s = elementary::sigmoid(x);
    return dy * s * (T(1) + x * (T(1) - s));
  }
};
struct LeakyRelu {
  double slope;
  template <class T>
  BEVGRAD_HD T operator()(T x) const {
    return x > T(0) ? x : x * static_cast<T>(slope);
  }
};
struct LeakyReluBackward {
  double slope;
  template <class T>
  BEVGRAD_HD T operator()(T dy, T x) const {
    return x > T(0) ? dy : dy * static_cast<T>(slope);
  }
};
struct Elu {
  double alpha;
  template <class T>
  BEVGRAD_HD T operator()(T x) const {
    return x > T(0) ? x : static_cast<T>(alpha) * elementary::expm1(x);
  }
};
struct EluBackward {
  double alpha;
  template <class T>
  BEVGRAD_HD T operator()(T dy, T x) const {
    return x > T(0) ? dy : dy * static_cast<T>(alpha) * elementary::exp(x);
  }
};
struct Softplus {
  double beta, threshold;
  template <class T>
  BEVGRAD_HD T operator()(T x) const {
    const T scaled = x * static_cast<T>(beta), positive = scaled < T(0) ? T(0) : scaled;
    const T soft = (positive + elementary::log1p_of_unit(elementary::exp(-std::abs(scaled)))) / static_cast<T>(beta);
    return scaled > static_cast<T>(threshold) ? x : soft;
  }
};
struct SoftplusBackward {
  double beta, threshold;
  template <class T>
  BEVGRAD_HD T operator()(T dy, T x) const {
    const T scaled = x * static_cast<T>(beta);
    return scaled > static_cast<T>(threshold) ? dy : dy * elementary::sigmoid(scaled);
  }
};
struct Hardswish {
  template <class T>
  BEVGRAD_HD T operator()(T x) const {
    return x <= T(-3) ? x * T(0) : (x < T(3) ? x * (x + T(3)) / T(6) : x);
  }
};
struct HardswishBackward {
  template <class T>
  BEVGRAD_HD T operator()(T dy, T x) const {
    return x <= T(-3) ? T(0) : (x >= T(3) ? dy : dy * (x / T(3) + T(0.5)));
  }
};

}  // namespace bevgrad::functors
