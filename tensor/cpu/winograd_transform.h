// The transforms of Winograd's convolution F(4x4, 3x3): A. Lavin, S. Gray, "Fast algorithms for convolutional neural
// networks", CVPR 2016. An output tile of 4x4 is A' [(G w G') * (B' d B)] A, d the 6x6 inputs under it: 36 products
// where the definition takes 144.
//
// The algorithm multiplies polynomials at the points 0, infinity and two pairs +-a, +-b. The paper's 1 and 2 lose 2 to
// 3 bits more than need be (B. Barabasz et al., "Error analysis and improving the accuracy of Winograd convolution",
// 2020); with 3/4 and 3/2 the errors are half as large in the mean and a quarter at the most, no step costs more, and
// every number in A and B is exact in float32.
#pragma once

namespace bevgrad::cpu::winograd {

inline constexpr int kOut = 4, kIn = 6;
inline constexpr int kFrequencies = kIn * kIn;

inline constexpr float kA = 0.75f, kB = 1.5f;
inline constexpr float kAA = kA * kA, kBB = kB * kB;
// The derivative of the product of all (x - point) at each finite point.
inline constexpr double kAt0 = double{kAA} * kBB, kAtA = 2.0 * kAA * (kAA - kBB), kAtB = 2.0 * kBB * (kBB - kAA);

/// Six inputs in a line to six frequencies: B' d.
template <class V>
[[gnu::always_inline]] inline void input_line(const V (&d)[kIn], V (&v)[kIn]) {
  const V even_a = d[4] - kBB * d[2], odd_a = kA * (d[3] - kBB * d[1]);
  const V even_b = d[4] - kAA * d[2], odd_b = kB * (d[3] - kAA * d[1]);
  v[0] = (kAA * kBB) * d[0] - (kAA + kBB) * d[2] + d[4];
  v[1] = even_a + odd_a;
  v[2] = even_a - odd_a;
  v[3] = even_b + odd_b;
  v[4] = even_b - odd_b;
  v[5] = (kAA * kBB) * d[1] - (kAA + kBB) * d[3] + d[5];
}

/// Six frequencies to the four outputs in a line: A' m.
template <class V>
[[gnu::always_inline]] inline void output_line(const V (&m)[kIn], V (&y)[kOut]) {
  const V sum_a = m[1] + m[2], difference_a = m[1] - m[2];
  const V sum_b = m[3] + m[4], difference_b = m[3] - m[4];
  y[0] = m[0] + sum_a + sum_b;
  y[1] = kA * difference_a + kB * difference_b;
  y[2] = kAA * sum_a + kBB * sum_b;
  y[3] = (kAA * kA) * difference_a + (kBB * kB) * difference_b + m[5];
}

/// Three taps in a line to six frequencies: G w.
template <class V>
[[gnu::always_inline]] inline void weight_line(const V (&w)[3], V (&u)[kIn]) {
  const V even_a = w[0] + double{kAA} * w[2], odd_a = double{kA} * w[1];
  const V even_b = w[0] + double{kBB} * w[2], odd_b = double{kB} * w[1];
  u[0] = w[0] * (1 / kAt0);
  u[1] = (even_a + odd_a) * (1 / kAtA);
  u[2] = (even_a - odd_a) * (1 / kAtA);
  u[3] = (even_b + odd_b) * (1 / kAtB);
  u[4] = (even_b - odd_b) * (1 / kAtB);
  u[5] = w[2];
}

/// A line of four output gradients to six frequencies: A y, what output_line is the transpose of.
template <class V>
[[gnu::always_inline]] inline void gradient_line(const V (&y)[kOut], V (&m)[kIn]) {
  const V even_a = y[0] + kAA * y[2], odd_a = kA * (y[1] + kAA * y[3]);
  const V even_b = y[0] + kBB * y[2], odd_b = kB * (y[1] + kBB * y[3]);
  m[0] = y[0];
  m[1] = even_a + odd_a;
  m[2] = even_a - odd_a;
  m[3] = even_b + odd_b;
  m[4] = even_b - odd_b;
  m[5] = y[3];
}

/// Six frequencies to the three taps in a line: G' u, what weight_line is the transpose of.
template <class V>
[[gnu::always_inline]] inline void tap_line(const V (&u)[kIn], V (&w)[3]) {
  const V sum_a = (u[1] + u[2]) * (1 / kAtA), difference_a = (u[1] - u[2]) * (1 / kAtA);
  const V sum_b = (u[3] + u[4]) * (1 / kAtB), difference_b = (u[3] - u[4]) * (1 / kAtB);
  w[0] = u[0] * (1 / kAt0) + sum_a + sum_b;
  w[1] = double{kA} * difference_a + double{kB} * difference_b;
  w[2] = double{kAA} * sum_a + double{kBB} * sum_b + u[5];
}

}  // namespace bevgrad::cpu::winograd
