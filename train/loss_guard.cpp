#include "train/loss_guard.h"

#include <algorithm>

#include "base/error.h"

namespace bevgrad {
namespace {

constexpr int64_t kLeastSeen = 20;
constexpr double kKept = 0.98;

}  // namespace

bool LossGuard::rejects(double loss) {
  if (factor_ == 0) return false;
  if (seen_ >= kLeastSeen && loss > factor_ * mean_) {
    ++in_a_row_;
    check(in_a_row_ <= most_,
          "the loss has been over {:g} times its running mean, {:.4g}, for {} steps in a row (now {:.4g}): this is no "
          "single bad batch",
          factor_, mean_, in_a_row_, loss);
    return true;
  }
  in_a_row_ = 0;
  // The plain mean first, then one that forgets.
  const double kept = std::min(kKept, static_cast<double>(seen_) / static_cast<double>(seen_ + 1));
  mean_ = kept * mean_ + (1 - kept) * loss;
  ++seen_;
  return false;
}

std::map<std::string, double> LossGuard::state() const {
  if (factor_ == 0) return {};
  return {{"loss_mean", mean_},
          {"losses_seen", static_cast<double>(seen_)},
          {"skipped_in_a_row", static_cast<double>(in_a_row_)}};
}

void LossGuard::restore(const std::map<std::string, double>& state) {
  const auto number = [&](const char* name) {
    const auto found = state.find(name);
    return found == state.end() ? 0.0 : found->second;
  };
  mean_ = number("loss_mean");
  seen_ = static_cast<int64_t>(number("losses_seen"));
  in_a_row_ = static_cast<int64_t>(number("skipped_in_a_row"));
}

}  // namespace bevgrad
