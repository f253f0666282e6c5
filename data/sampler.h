// The order in which samples are drawn. A sampler gives, batch after batch, the entries that one rank reads; where it
// stands is a number of batches, so that a resumed run draws exactly what the unbroken one would have drawn.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "data/dataset.h"

namespace bevgrad {

/// One slot of a batch.
struct Draw {
  int64_t entry = 0;   ///< into the dataset
  bool starts = true;  ///< nothing that this slot showed before belongs to the same stream
  int64_t epoch = 0;   ///< how often all of the data had been handed out when this draw's run of frames was begun

  bool operator==(const Draw&) const = default;
};

struct SamplerOptions {
  int64_t batch_size = 1;  ///< of one rank
  int64_t rank = 0, world = 1;
  uint64_t seed = 1;
  /// How many cases an epoch holds at most, over all ranks: whole streams are taken in a seeded order and the last is
  /// cut. 0: all.
  int64_t num_cases = 0;
  /// Streaming: a slot plays runs of so many frames. 0: whole streams.
  int64_t chunk_frames = 0;
  /// Streaming: slots begin their first stream at different points, so that they do not all lack history at once.
  bool stagger = true;
  /// Shuffled: how often each entry of the dataset is drawn in an epoch, 1 at least; a fraction is drawn anew every
  /// epoch. Empty: once.
  std::vector<double> repeats = {};
};

class Sampler {
 public:
  virtual ~Sampler() = default;

  /// The next batch of this rank; nothing where the sampler has come to its end (training samplers never do).
  std::optional<std::vector<Draw>> next();
  /// Batches drawn so far.
  int64_t position() const { return position_; }

  /// Where it stands, as numbers to be kept in a checkpoint.
  std::vector<int64_t> state() const { return state_at(position_); }
  /// The state after `position` batches.
  std::vector<int64_t> state_at(int64_t position) const;
  /// Goes to a state that a sampler of the same kind, options and data gave; throws where one of them differs. The
  /// number of ranks may be another, and the batch size with it: then it goes on behind the last whole batch (of all
  /// ranks) that the cases drawn so far fill, and what changed is returned; otherwise "".
  std::string restore(std::span<const int64_t> state);

  /// Cases of an epoch, over all ranks.
  int64_t cases() const { return cases_; }

 protected:
  Sampler(const Dataset& dataset, const SamplerOptions& options, int64_t kind);

  virtual std::optional<std::vector<Draw>> draw() = 0;
  virtual void rewind() = 0;

  const SamplerOptions options_;
  int64_t cases_ = 0;

 private:
  int64_t kind_;
  uint64_t fingerprint_;
  int64_t position_ = 0;
};

/// Every batch slot plays stream after stream, frame by frame in time order; over all slots of all ranks each epoch
/// plays every stream once, in an order of its own. Never ends.
std::unique_ptr<Sampler> make_streaming_sampler(const Dataset& dataset, const SamplerOptions& options);

/// Single frames in a new order every epoch, each drawn once an epoch over all ranks. Never ends. For step 1.
std::unique_ptr<Sampler> make_shuffled_sampler(const Dataset& dataset, const SamplerOptions& options);

/// Every stream once, one after another, frame by frame. Each rank takes streams that follow one another, about the
/// same number of frames each, so that the ranks' results one after another are those of one rank; a rank may get none.
/// With a batch size above 1 the slots play streams side by side and the last batches are smaller. For validation.
std::unique_ptr<Sampler> make_sequential_sampler(const Dataset& dataset, const SamplerOptions& options);

}  // namespace bevgrad
