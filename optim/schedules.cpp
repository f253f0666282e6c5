#include "optim/schedules.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace bevgrad {
namespace {

// The phase's rate times share(step, steps of the phase).
template <class Share>
LrSchedule by_phase(std::vector<LrPhase> phases, Share share) {
  return [phases = std::move(phases), share](int64_t step) {
    double last = 0;
    for (const LrPhase& phase : phases) {
      if (phase.steps == 0) continue;
      if (step < phase.steps) return phase.lr * share(step, phase.steps);
      last = phase.lr * share(phase.steps, phase.steps);
      step -= phase.steps;
    }
    return last;
  };
}

double half_cosine(double from, double to, double done) {
  return to + (from - to) * (1 + std::cos(std::numbers::pi * done)) / 2;
}

double straight(double from, double to, double done) {
  return from + (to - from) * done;
}

}  // namespace

LrSchedule step_lr(std::vector<LrPhase> phases, int64_t step_size, double gamma) {
  check(step_size > 0, "step_lr: a step size of {}", step_size);
  return by_phase(std::move(phases),
                  [=](int64_t step, int64_t) { return std::pow(gamma, static_cast<double>(step / step_size)); });
}

LrSchedule exponential_lr(std::vector<LrPhase> phases, double gamma) {
  return by_phase(std::move(phases), [=](int64_t step, int64_t) { return std::pow(gamma, static_cast<double>(step)); });
}

LrSchedule cosine_restarts_lr(std::vector<LrPhase> phases, int64_t period, int64_t multiplier, double min_share) {
  check(period > 0 && multiplier > 0, "cosine_restarts_lr: a period of {} times {}", period, multiplier);
  return by_phase(std::move(phases), [=](int64_t step, int64_t) {
    int64_t length = period;
    for (; step >= length; length *= multiplier) step -= length;
    return half_cosine(1, min_share, static_cast<double>(step) / static_cast<double>(length));
  });
}

LrSchedule one_cycle_lr(std::vector<LrPhase> phases, OneCycleOptions o) {
  check(o.pct_start >= 0 && o.pct_start <= 1 && o.div_factor > 0 && o.final_div_factor > 0,
        "one_cycle_lr: pct_start {}, div_factor {}, final_div_factor {}", o.pct_start, o.div_factor,
        o.final_div_factor);
  return by_phase(std::move(phases), [o](int64_t step, int64_t steps) {
    const auto between = o.linear ? straight : half_cosine;
    const double first = 1 / o.div_factor, at = static_cast<double>(step), last = static_cast<double>(steps - 1);
    const double top = o.pct_start * static_cast<double>(steps) - 1;  // the step of the highest rate
    if (at <= top) return between(first, 1, top > 0 ? at / top : 1);
    return between(1, first / o.final_div_factor, last > top ? std::min(1.0, (at - top) / (last - top)) : 1);
  });
}

LrSchedule polynomial_lr(std::vector<LrPhase> phases, double power) {
  return by_phase(std::move(phases), [=](int64_t step, int64_t steps) {
    return std::pow(1 - static_cast<double>(step) / static_cast<double>(steps), power);
  });
}

LrSchedule wsd_lr(std::vector<LrPhase> phases, double decay_share, double min_share) {
  check(decay_share >= 0 && decay_share <= 1, "wsd_lr: a decay_share of {}, expected 0 to 1", decay_share);
  return by_phase(std::move(phases), [=](int64_t step, int64_t steps) {
    const double begin = (1 - decay_share) * static_cast<double>(steps), at = static_cast<double>(step);
    if (at <= begin) return 1.0;
    return straight(1, min_share, (at - begin) / (static_cast<double>(steps) - begin));
  });
}

PlateauLr::PlateauLr(double lr, PlateauOptions options) : options_(options) {
  check(options.factor > 0 && options.factor < 1, "PlateauLr: a factor of {}, expected one between 0 and 1",
        options.factor);
  state_.lr = lr;
}

bool PlateauLr::improves(double value) const {
  if (!state_.any) return true;
  const double margin = options_.threshold;
  return options_.larger_is_better ? value > state_.best * (1 + margin) : value < state_.best * (1 - margin);
}

double PlateauLr::step(double value) {
  if (improves(value)) {
    state_.best = value;
    state_.any = true;
    state_.bad = 0;
  } else {
    ++state_.bad;
  }
  if (state_.cooling > 0) {
    --state_.cooling;
    state_.bad = 0;
  }
  if (state_.bad > options_.patience) {
    constexpr double kLeastFall = 1e-8;  // smaller ones are left out
    const double lower = std::max(state_.lr * options_.factor, options_.min_lr);
    if (state_.lr - lower > kLeastFall) state_.lr = lower;
    state_.cooling = options_.cooldown;
    state_.bad = 0;
  }
  return state_.lr;
}

}  // namespace bevgrad
