#include "deploy/calibration.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/files.h"
#include "configs/load.h"
#include "data/batch.h"
#include "data/dataset.h"
#include "nn/range_watch.h"
#include "train/eight_bits.h"
#include "train/network_state.h"
#include "train/options/from_config.h"

namespace bevgrad {
namespace {

/// Frames of a drive, of which the first `before` are for the history of those behind them.
struct Excerpt {
  std::vector<int64_t> frames;
  size_t before = 0;
};

// Frames of so many drives follow those that fill their histories.
constexpr int64_t kDrivesWithHistory = 8;

std::vector<Excerpt> excerpts_of(const Dataset& dataset, const config::Config& proto, int64_t frames) {
  const auto streams = static_cast<int64_t>(dataset.streams().size());
  const bool has_history = proto.tasks().enable_static_temporal();
  const int64_t drives = std::min({streams, frames, has_history ? kDrivesWithHistory : frames});
  const auto each = static_cast<size_t>((frames + drives - 1) / drives);
  double longest = 0;
  if (has_history)
    for (const double interval : proto.temporal().intervals()) longest = std::max(longest, interval);
  std::vector<Excerpt> excerpts;
  for (int64_t d = 0; d < drives; ++d) {
    const std::vector<int64_t>& all = dataset.streams()[static_cast<size_t>(d * streams / drives)].frames;
    Excerpt excerpt;
    const size_t latest = all.size() - std::min(each, all.size());
    const double full = dataset.entry(all.front()).timestamp + longest;
    while (excerpt.before < latest && dataset.entry(all[excerpt.before]).timestamp < full) ++excerpt.before;
    excerpt.frames.assign(all.begin(),
                          all.begin() + static_cast<std::ptrdiff_t>(std::min(all.size(), excerpt.before + each)));
    excerpts.push_back(std::move(excerpt));
  }
  return excerpts;
}

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
  const std::vector<Excerpt> excerpts = excerpts_of(dataset, proto, frames);
  RangeWatch watch;
  for (const Excerpt& excerpt : excerpts) {
    FrameStream player(trained);
    std::optional<ConvObserver> observer;
    for (size_t i = 0; i < excerpt.frames.size(); ++i) {
      if (i == excerpt.before) observer.emplace(trained.network(), watch.see(trained.network()));
      const Sample sample = dataset.load(excerpt.frames[i]);
      player.play(network_input(collate({sample}, {false}, dataset.options())),
                  {sample.sequence, sample.timestamp, sample.ego_pose});
    }
  }
  return watch.ranges(all_signed);
}

configs::Document in_floating_point(const configs::Document& document) {
  configs::Document result = document;
  result.proto.mutable_int8()->set_on(false);
  return result;
}

void write_int8_config(const configs::Document& document, const CalibrationOptions& options, RunLog& log,
                       const Parts& parts) {
  const configs::Document plain = in_floating_point(document);
  TrainedNetwork trained(plain, {.ckpt = options.ckpt}, log, parts);
  config::Config proto = document.proto;
  *proto.mutable_int8() = int8_fields(calibrate(plain, trained, options.frames, false));
  write_text_file(options.out, configs::to_text(proto));
  log.info(fmt::format("measured {} convolutions; wrote {}", proto.int8().convs_size(), options.out));
}

}  // namespace bevgrad
