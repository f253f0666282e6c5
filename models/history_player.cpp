#include "models/history_player.h"

#include "base/error.h"

namespace bevgrad {

void HistoryPlayer::begin(const StreamFrames& frames) {
  const auto count = static_cast<int64_t>(frames.moments.size());
  check(frames.starts.size() == frames.moments.size(),
        "history: {} frames, of {} it is said whether they start a stream", count, frames.starts.size());
  if (count < manager_.slots()) manager_.shrink(count);
  for (size_t n = 0; n < frames.starts.size() && static_cast<int64_t>(n) < manager_.slots(); ++n)
    if (frames.starts[n]) manager_.reset(static_cast<int64_t>(n));
}

History HistoryPlayer::play(Network& network, NetworkOutput& output, const StreamFrames& frames, Generator* generator) {
  begin(frames);
  History history = manager_.sample(frames.moments, generator);
  network.decode(output, history);
  manager_.push(output.at(kBevFused), frames.moments);
  return history;
}

void HistoryPlayer::remember(const Tensor& bev_fused, const StreamFrames& frames) {
  begin(frames);
  manager_.push(bev_fused, frames.moments);
}

}  // namespace bevgrad
