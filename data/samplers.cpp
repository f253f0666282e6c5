#include <algorithm>

#include "data/random_order.h"
#include "data/sampler.h"

namespace bevgrad {

namespace {

enum Purpose : uint64_t { kChooseCases = 1, kOrderRuns = 2, kCutRuns = 3, kStagger = 4 };

using Run = std::span<const int64_t>;

/// Streams that make up an epoch, the last cut so that they hold num_cases frames.
std::vector<std::vector<int64_t>> choose_streams(const Dataset& dataset, const SamplerOptions& options) {
  std::vector<std::vector<int64_t>> chosen;
  for (const Stream& stream : dataset.streams()) chosen.push_back(stream.frames);
  if (options.num_cases == 0) return chosen;
  std::mt19937_64 random = random_for(options.seed, kChooseCases, 0);
  shuffle(chosen, random);
  int64_t left = options.num_cases;
  for (std::vector<int64_t>& frames : chosen) {
    frames.resize(static_cast<size_t>(std::min<int64_t>(left, static_cast<int64_t>(frames.size()))));
    left -= static_cast<int64_t>(frames.size());
  }
  std::erase_if(chosen, [](const std::vector<int64_t>& frames) { return frames.empty(); });
  return chosen;
}

/// All slots of all ranks are played, each rank's own among them: which stream a slot gets next depends on when the
/// others came to the end of theirs.
class StreamingSampler final : public Sampler {
 public:
  StreamingSampler(const Dataset& dataset, const SamplerOptions& options)
      : Sampler(dataset, options, 1), streams_(choose_streams(dataset, options)) {
    for (const auto& frames : streams_) cases_ += static_cast<int64_t>(frames.size());
    rewind();
  }

 private:
  struct Slot {
    Run run;
    size_t next = 0;
    int64_t epoch = 0;
  };

  std::optional<std::vector<Draw>> draw() override {
    std::vector<Draw> batch;
    for (size_t i = 0; i < slots_.size(); ++i) {
      Slot& slot = slots_[i];
      bool starts = slot.next == slot.run.size();
      if (starts) {
        const Run run = take_run();  // of the epoch that the queue was filled for last
        slot = {run, 0, static_cast<int64_t>(epoch_) - 1};
      }
      if (first_batch_) {
        starts = true;
        slot.next = first_frame(i, slot.run.size());
      }
      int64_t entry = slot.run[slot.next++];
      if (static_cast<int64_t>(i) / options_.batch_size == options_.rank) batch.push_back({entry, starts, slot.epoch});
    }
    first_batch_ = false;
    return batch;
  }

  size_t first_frame(size_t slot, size_t frames) const {
    if (!options_.stagger) return 0;
    std::mt19937_64 random = random_for(options_.seed, kStagger, slot);
    return static_cast<size_t>(uniform_below(random, frames));
  }

  Run take_run() {
    if (queue_.empty()) fill_queue();
    Run run = queue_.back();
    queue_.pop_back();
    return run;
  }

  void fill_queue() {
    std::mt19937_64 cut = random_for(options_.seed, kCutRuns, epoch_),
                    order = random_for(options_.seed, kOrderRuns, epoch_);
    for (const auto& frames : streams_) {
      Run rest(frames);
      if (options_.chunk_frames > 0) {
        // The first run is shorter, by another length every epoch, so that runs do not always begin at the same frames.
        auto chunk = static_cast<size_t>(options_.chunk_frames);
        size_t first = 1 + static_cast<size_t>(uniform_below(cut, chunk));
        for (; rest.size() > first; first = chunk) {
          queue_.push_back(rest.first(first));
          rest = rest.subspan(first);
        }
      }
      queue_.push_back(rest);
    }
    shuffle(queue_, order);
    ++epoch_;
  }

  void rewind() override {
    slots_.assign(static_cast<size_t>(options_.batch_size * options_.world), {});
    queue_.clear();
    epoch_ = 0;
    first_batch_ = true;
  }

  std::vector<std::vector<int64_t>> streams_;
  std::vector<Slot> slots_;
  std::vector<Run> queue_;
  uint64_t epoch_ = 0;
  bool first_batch_ = true;
};

class ShuffledSampler final : public Sampler {
 public:
  ShuffledSampler(const Dataset& dataset, const SamplerOptions& options) : Sampler(dataset, options, 2) {
    for (const auto& frames : choose_streams(dataset, options)) pool_.insert(pool_.end(), frames.begin(), frames.end());
    cases_ = static_cast<int64_t>(pool_.size());
    rewind();
  }

 private:
  std::optional<std::vector<Draw>> draw() override {
    std::vector<Draw> batch;
    for (int64_t slot = 0; slot < options_.batch_size * options_.world; ++slot) {
      if (next_ == order_.size()) reorder();
      int64_t entry = order_[next_++];
      if (slot / options_.batch_size == options_.rank) batch.push_back({entry, true, static_cast<int64_t>(epoch_) - 1});
    }
    return batch;
  }

  void reorder() {
    std::mt19937_64 random = random_for(options_.seed, kOrderRuns, epoch_++);
    order_ = pool_;
    if (!options_.repeats.empty()) {
      order_.clear();
      for (const int64_t entry : pool_) {
        const double repeats = options_.repeats[static_cast<size_t>(entry)];
        const double chance = static_cast<double>(random() >> 11) * 0x1p-53;
        order_.insert(order_.end(), static_cast<size_t>(repeats + chance), entry);
      }
    }
    shuffle(order_, random);
    next_ = 0;
  }

  void rewind() override {
    epoch_ = 0;
    reorder();
  }

  std::vector<int64_t> pool_, order_;
  size_t next_ = 0;
  uint64_t epoch_ = 0;
};

class SequentialSampler final : public Sampler {
 public:
  SequentialSampler(const Dataset& dataset, const SamplerOptions& options)
      : Sampler(dataset, options, 3), slots_(static_cast<size_t>(options.batch_size)) {
    const int64_t most = options.num_cases > 0 ? options.num_cases : dataset.size();
    const int64_t all = std::max<int64_t>(1, std::min(most, dataset.size()));
    for (const Stream& stream : dataset.streams()) {
      Run frames(stream.frames);
      frames = frames.first(static_cast<size_t>(std::min<int64_t>(most - cases_, static_cast<int64_t>(frames.size()))));
      // A stream belongs to the rank in whose share of all frames its middle lies.
      const int64_t middle = cases_ + static_cast<int64_t>(frames.size()) / 2;
      cases_ += static_cast<int64_t>(frames.size());
      if (std::min(middle * options.world / all, options.world - 1) != options.rank) continue;
      auto by_length = [](const auto& a, const auto& b) { return a.size() < b.size(); };
      auto& shortest = *std::min_element(slots_.begin(), slots_.end(), by_length);
      for (size_t i = 0; i < frames.size(); ++i) shortest.push_back({frames[i], i == 0});
    }
    // The slot with most to play comes first, so that batches shrink from their end and no slot ever moves.
    std::stable_sort(slots_.begin(), slots_.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
  }

 private:
  std::optional<std::vector<Draw>> draw() override {
    std::vector<Draw> batch;
    for (const std::vector<Draw>& slot : slots_)
      if (static_cast<size_t>(next_) < slot.size()) batch.push_back(slot[static_cast<size_t>(next_)]);
    if (batch.empty()) return std::nullopt;
    ++next_;
    return batch;
  }

  void rewind() override { next_ = 0; }

  std::vector<std::vector<Draw>> slots_;
  int64_t next_ = 0;
};

}  // namespace

std::unique_ptr<Sampler> make_streaming_sampler(const Dataset& dataset, const SamplerOptions& options) {
  return std::make_unique<StreamingSampler>(dataset, options);
}

std::unique_ptr<Sampler> make_shuffled_sampler(const Dataset& dataset, const SamplerOptions& options) {
  return std::make_unique<ShuffledSampler>(dataset, options);
}

std::unique_ptr<Sampler> make_sequential_sampler(const Dataset& dataset, const SamplerOptions& options) {
  return std::make_unique<SequentialSampler>(dataset, options);
}

}  // namespace bevgrad
