// Frames of streams in, lines of JSON out: what the server's transports share.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "data/label_schema.h"
#include "deploy/latencies.h"
#include "evaluation/box_tracks.h"
#include "evaluation/evaluator.h"
#include "train/frame_stream.h"

namespace bevgrad {

/// A stream that is being served, and how many of its frames were answered.
struct ServedStream {
  ServedStream(TrainedNetwork& trained, int64_t number) : stream(trained), number(number) {}

  FrameStream stream;
  std::optional<BoxTracker> tracker;  ///< from its first frame on
  int64_t number;
  int64_t frames = 0;
};

class FrameService {
 public:
  /// `rasters`: a folder for the frames' rasters; none where it is empty.
  FrameService(const configs::Document& document, const TrainedNetworkOptions& options, const std::string& rasters,
               RunLog& log, const Parts& parts);

  TrainedNetwork& trained() { return trained_; }
  const Latencies& latencies() const { return latencies_; }

  /// A record (data/record.proto; labels may be left out) as the stream's next frame: one line of JSON, also where it
  /// is refused: {"stream":0,"frame":3,"error":"..."}.
  std::string answer(ServedStream& stream, std::span<const uint8_t> record);
  /// The frames of a file, one record or an input of `bevgrad predict` (.h5), a line each.
  std::string answer_file(ServedStream& stream, const std::string& path);
  std::string error_line(const ServedStream& stream, const std::string& message) const;

 private:
  using Clock = std::chrono::steady_clock;

  std::string describe(ServedStream& stream, const std::string& key, const FrameMoment& moment,
                       const PlayedFrame& frame, Clock::time_point begin, Clock::time_point read);
  std::string play_record(ServedStream& stream, std::span<const uint8_t> record, const std::string& source);

  config::Config proto_;
  DatasetOptions dataset_;
  TrainedNetwork trained_;
  EvaluationOptions evaluation_;
  std::string rasters_;
  Latencies latencies_;
};

}  // namespace bevgrad
