// The numerically stable core of the focal losses.
#pragma once
#include <cmath>

#include "tensor/elementary.h"
#include "tensor/host_device.h"

namespace bevgrad {

/// One element's loss and its derivative by the logit.
template <class R>
struct FocalTerm {
  R value, slope;
};

/// -a (1 - q)^gamma log q with q = sigmoid(x) for a positive and sigmoid(-x) for a negative element. kSquared: gamma is
/// 2, which needs no call to pow.
template <bool kSquared, class R>
[[gnu::always_inline]] BEVGRAD_HD inline FocalTerm<R> focal_term(R x, bool positive, R a, R gamma) {
  const R s = positive ? x : -x;
  const R e = elementary::exp(s < R(0) ? s : -s);  // exp(-|s|)
  const R inverse = R(1) / (R(1) + e);
  const R small = e * inverse;
  const R q = s < R(0) ? small : inverse;
  const R rest = s < R(0) ? inverse : small;  // 1 - q without cancellation
  const R log_q = (s < R(0) ? s : R(0)) - elementary::log1p_of_unit(e);
  const R modulation = kSquared ? rest * rest : std::pow(rest, gamma);
  const R slope = a * modulation * (gamma * q * log_q - rest);
  return {-a * modulation * log_q, positive ? slope : -slope};
}

}  // namespace bevgrad
