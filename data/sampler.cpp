#include "data/sampler.h"

#include <algorithm>
#include <bit>

namespace bevgrad {

namespace {

constexpr int64_t kStateVersion = 1;

/// The fields of a saved state that must match the sampler on restore, in storage order.
constexpr const char* kStateFields[] = {
    "version",         "kind",         "data",   "seed", "batch size", "rank", "number of ranks",
    "number of cases", "chunk length", "stagger"};
constexpr size_t kFixedFields = std::size(kStateFields);

}  // namespace

Sampler::Sampler(const Dataset& dataset, const SamplerOptions& options, int64_t kind)
    : options_(options), kind_(kind), fingerprint_(dataset.fingerprint()) {
  check(options.batch_size > 0, "sampler: batch size is {}, expected at least 1", options.batch_size);
  check(options.world > 0 && options.rank >= 0 && options.rank < options.world, "sampler: rank {} of {}", options.rank,
        options.world);
  check(options.num_cases >= 0 && options.chunk_frames >= 0,
        "sampler: num_cases is {} and chunk_frames {}, expected 0 or more", options.num_cases, options.chunk_frames);
  check(dataset.size() > 0, "sampler: the dataset is empty");
  if (options.repeats.empty()) return;
  constexpr int64_t shuffled = 2;
  check(kind == shuffled && static_cast<int64_t>(options.repeats.size()) == dataset.size(),
        "sampler: {} numbers of repeats for {} entries; only shuffled samples repeat", options.repeats.size(),
        dataset.size());
  for (const double repeat : options.repeats) {
    check(repeat >= 1 && repeat <= 1000, "sampler: an entry is repeated {} times, expected 1 to 1000", repeat);
    // To a saved state this is other data.
    fingerprint_ = (fingerprint_ ^ std::bit_cast<uint64_t>(repeat)) * 0x100000001b3ull;
  }
}

std::optional<std::vector<Draw>> Sampler::next() {
  auto batch = draw();
  if (batch) ++position_;
  return batch;
}

std::vector<int64_t> Sampler::state_at(int64_t position) const {
  return {kStateVersion,
          kind_,
          static_cast<int64_t>(fingerprint_),
          static_cast<int64_t>(options_.seed),
          options_.batch_size,
          options_.rank,
          options_.world,
          options_.num_cases,
          options_.chunk_frames,
          options_.stagger,
          position};
}

std::string Sampler::restore(std::span<const int64_t> state) {
  const std::vector<int64_t> own = this->state();
  check(state.size() == own.size(), "sampler: the saved state has {} numbers, expected {}", state.size(), own.size());
  constexpr size_t batch_size = 4, rank = 5, world = 6;
  const bool other_ranks = state[world] != own[world];
  for (size_t i = 0; i < kFixedFields; ++i) {
    if (i == rank || (other_ranks && (i == batch_size || i == world))) continue;
    check(state[i] == own[i], "sampler: the saved state is of another {} ({}, now {})", kStateFields[i], state[i],
          own[i]);
  }
  int64_t position = state[kFixedFields];
  constexpr int64_t most = int64_t{1} << 40;
  check(position >= 0 && position < most && state[batch_size] > 0 && state[batch_size] < most && state[world] > 0 &&
            state[world] < most,
        "sampler: the saved state stands at batch {} of {} x {} cases", position, state[world], state[batch_size]);
  std::string change;
  if (other_ranks) {
    const int64_t before = state[world] * state[batch_size], now = options_.world * options_.batch_size;
    check(position == 0 || before < most / position, "sampler: the saved state stands at batch {} of {} cases",
          position, before);
    const int64_t drawn = position * before;
    position = drawn / now;
    change = fmt::format("{} rank(s) x {} cases a step were {} x {}", options_.world, options_.batch_size, state[world],
                         state[batch_size]);
    if (drawn % now != 0) change += fmt::format("; {} of the cases drawn come again", drawn % now);
  }
  rewind();
  position_ = 0;
  while (position_ < position)
    check(next().has_value(), "sampler: the saved state stands at batch {}, there are {}", position, position_);
  return change;
}

}  // namespace bevgrad
