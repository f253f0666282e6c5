#include "internal/calibration.h"

#include <algorithm>

#include "base/error.h"
#include "data/batch.h"
#include "data/dataset.h"
#include "internal/magnitudes.h"
#include "models/conv_observer.h"
#include "train/network_state.h"
#include "train/options/from_config.h"

namespace bevgrad {
namespace {

struct Seen {
  Magnitudes input, before_sum, output;

  Magnitudes& at(ConvObserver::Place place) {
    return place == ConvObserver::Place::Input ? input : place == ConvObserver::Place::Output ? output : before_sum;
  }
};

}  // namespace

ActivationRanges calibrate(const configs::Document& document, TrainedNetwork& trained, int64_t frames,
                           bool all_signed) {
  const config::Config& proto = document.proto;
  const auto all = [](const config::ListGroup&) { return true; };
  const Dataset dataset(configs::lmdb_list(proto), configs::train_lists(proto, all),
                        configs::dataset_options(proto, false));
  const auto streams = static_cast<int64_t>(dataset.streams().size());
  if (streams == 0)
    throw UsageError(
        fmt::format("{}: field \"data.train\": there are no frames to calibrate with", document.place("data.train")));
  std::map<std::string, Seen> seen;
  const ConvObserver observer(trained.network(), [&seen](const std::string& conv, ConvObserver::Place place,
                                                         const Tensor& value) { seen[conv].at(place).add(value); });
  const int64_t played = std::min(streams, frames), each = (frames + played - 1) / played;
  for (int64_t s = 0; s < played; ++s) {
    const Stream& stream = dataset.streams()[static_cast<size_t>(s * streams / played)];
    const auto length = static_cast<int64_t>(stream.frames.size());
    FrameStream player(trained);
    for (int64_t i = 0; i < std::min(each, length); ++i) {
      const Sample sample = dataset.load(stream.frames[static_cast<size_t>(i)]);
      player.play(network_input(collate({sample}, {false}, dataset.options())),
                  {sample.sequence, sample.timestamp, sample.ego_pose});
    }
  }
  ActivationRanges ranges;
  for (const auto& [conv, values] : seen)
    ranges[conv] = {values.input.best_range(all_signed), values.before_sum.best_range(all_signed),
                    values.output.best_range(all_signed)};
  return ranges;
}

}  // namespace bevgrad
