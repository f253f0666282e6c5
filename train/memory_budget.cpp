#include "train/memory_budget.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/error.h"
#include "internal/clock.h"
#include "nn/recomputable.h"
#include "tensor/allocator.h"
#include "tensor/cache_slack.h"
#include "train/logging/run_log.h"

namespace bevgrad {
namespace {

// To four digits.
double rounded_up(double value) {
  const double unit = std::pow(10, std::floor(std::log10(value)) - 3);
  return std::ceil(value / unit) * unit;
}

}  // namespace

std::vector<bool> stretches_to_keep(const std::vector<MeasuredStretch>& stretches, size_t limit, size_t& peak) {
  std::vector<bool> keeps(stretches.size(), false);
  // What is kept lies there from its own forward to its own backward pass.
  const auto highest = [&] {
    size_t before = 0, bytes = peak;
    for (size_t i = 0; i < stretches.size(); ++i) {
      bytes = std::max(bytes, stretches[i].backward_peak + before);
      if (keeps[i]) before += stretches[i].kept;
      bytes = std::max(bytes, stretches[i].forward_peak + before);
    }
    return bytes;
  };
  peak = highest();
  if (peak > limit) return keeps;
  std::vector<size_t> order(stretches.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto worth = [&](size_t i) {
    return stretches[i].seconds / static_cast<double>(std::max<size_t>(stretches[i].kept, 1));
  };
  std::ranges::stable_sort(order, [&](size_t a, size_t b) { return worth(a) > worth(b); });
  for (const size_t i : order) {
    keeps[i] = true;
    keeps[i] = highest() <= limit;
  }
  return keeps;
}

// Books what lies between two beginnings on the stretch that began.
class MemoryBudget::Measurement final : public RecomputeWatch {
 public:
  explicit Measurement(Network& network) : device_(network.device()) {
    network.visit([this](const std::string& path, Module& module) { names_[&module] = path; });
    reset_peak_memory(device_);
  }

  void first_run(const Module& owner) override { begin(owner, &MeasuredStretch::forward_peak); }
  void second_run(const Module& owner) override {
    begin(owner, &MeasuredStretch::backward_peak);
    synchronize(device_);
    in_use_ = memory_stats(device_).in_use;
    start_ = Clock::now();
  }
  void second_run_ended(const Module& owner, const Tensor& output) override {
    synchronize(device_);
    MeasuredStretch& stretch = of(owner);
    stretch.is_trained = true;
    stretch.seconds += seconds_since(start_);
    // The output is there in any case: it is what the next one begins with.
    const size_t in_use = memory_stats(device_).in_use, grown = in_use > in_use_ ? in_use - in_use_ : 0;
    stretch.kept = std::max(stretch.kept, grown > output.nbytes() ? grown - output.nbytes() : 0);
  }

  /// In the order of the forward pass.
  std::vector<MeasuredStretch> finish() {
    close();
    return std::move(stretches_);
  }
  size_t peak_before() const { return peak_before_; }
  double seconds() const { return seconds_since(begun_); }
  /// Bytes of the process beside its tensors.
  double overhead() const { return overhead_; }

 private:
  MeasuredStretch& of(const Module& owner) {
    const auto found = std::ranges::find(stretches_, &owner, [](const MeasuredStretch& s) { return s.owner; });
    if (found != stretches_.end()) return *found;
    stretches_.push_back({.owner = &owner, .name = names_.at(&owner)});
    return stretches_.back();
  }
  void begin(const Module& owner, size_t MeasuredStretch::*peak) {
    close();
    of(owner);
    current_ = &owner;
    peak_ = peak;
  }
  void close() {
    const MemoryStats stats = memory_stats(device_);
    size_t& peak = current_ == nullptr ? peak_before_ : of(*current_).*peak_;
    peak = std::max(peak, stats.peak);
    if (device_.is_cpu())
      overhead_ = std::max(overhead_, resident_bytes() - static_cast<double>(stats.in_use + stats.cached) +
                                          static_cast<double>(kCacheSlack));
    reset_peak_memory(device_);
  }

  Device device_;
  std::map<const Module*, std::string> names_;
  std::vector<MeasuredStretch> stretches_;
  const Module* current_ = nullptr;
  size_t MeasuredStretch::*peak_ = nullptr;
  size_t in_use_ = 0, peak_before_ = 0;
  double overhead_ = 0;
  Clock::time_point start_, begun_ = Clock::now();
};

MemoryBudget::MemoryBudget(Network& network, double gigabytes, std::string place,
                           std::function<void(const std::string&)> say)
    : network_(network), gigabytes_(gigabytes), place_(std::move(place)), say_(std::move(say)) {}

MemoryBudget::~MemoryBudget() = default;

const RecomputePlan* MemoryBudget::begin_passes() {
  if (gigabytes_ == 0) return nullptr;
  if (!is_measuring()) {
    plan_ = {.recomputes = [this](const Module& owner) { return recomputed_.contains(&owner); }};
  } else {
    if (steps_ == 1 && !measurement_) measurement_ = std::make_unique<Measurement>(network_);
    plan_ = {.recomputes = [](const Module&) { return true; }, .watch = measurement_.get()};
  }
  return &plan_;
}

void MemoryBudget::end_passes() {
  if (!is_measuring()) return;
  if (++steps_ < 2) return;
  const std::unique_ptr<Measurement> measured = std::move(measurement_);
  const std::vector<MeasuredStretch> stretches = measured->finish();
  const double room = gigabytes_ * 1e9 - measured->overhead();
  size_t least = measured->peak_before();
  const std::vector<bool> keeps = stretches_to_keep(stretches, room > 0 ? static_cast<size_t>(room) : 0, least);
  if (room < static_cast<double>(least))
    throw UsageError(fmt::format(
        "{}: {:g} GB cannot be kept: the least for this batch is {:.4g} GB, with everything computed again that can be",
        place_, gigabytes_, rounded_up((static_cast<double>(least) + measured->overhead()) / 1e9)));
  recomputed_.clear();
  for (size_t i = 0; i < stretches.size(); ++i)
    if (!keeps[i]) recomputed_.insert(stretches[i].owner);
  tell(stretches, keeps, measured->seconds());
}

void MemoryBudget::tell(const std::vector<MeasuredStretch>& stretches, const std::vector<bool>& keeps,
                        double step_seconds) const {
  struct Sum {
    size_t count = 0, bytes = 0;
    double seconds = 0;
    std::string names;
  };
  std::vector<std::pair<std::string, Sum>> stages;
  Sum all, total;
  for (size_t i = 0; i < stretches.size(); ++i) {
    const MeasuredStretch& stretch = stretches[i];
    if (!stretch.is_trained) continue;
    ++total.count;
    total.seconds += stretch.seconds;
    if (keeps[i]) continue;
    const size_t dot = stretch.name.find('.');
    const std::string stage = stretch.name.substr(0, dot);
    if (stages.empty() || stages.back().first != stage) stages.emplace_back(stage, Sum());
    Sum& sum = stages.back().second;
    if (dot != std::string::npos) sum.names += (sum.names.empty() ? " " : ", ") + stretch.name.substr(dot + 1);
    for (Sum* of : {&sum, &all}) {
      ++of->count;
      of->bytes += stretch.kept;
      of->seconds += stretch.seconds;
    }
  }
  // The measured step ran every stretch twice.
  const double planned = step_seconds - total.seconds + all.seconds;
  say_(fmt::format(
      "train.memory_budget_gb {:g}: {} of {} stretches are computed again: {:.2f} GB less, {:.3f} s of {:.3f} s "
      "of a step's passes",
      gigabytes_, all.count, total.count, static_cast<double>(all.bytes) / 1e9, all.seconds, planned));
  for (const auto& [stage, sum] : stages)
    say_(fmt::format("  {}: {:.3f} GB less, {:.3f} s:{}", stage, static_cast<double>(sum.bytes) / 1e9, sum.seconds,
                     sum.names.empty() ? " all of it" : sum.names));
}

}  // namespace bevgrad
