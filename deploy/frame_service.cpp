#include "internal/frame_service.h"

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "data/lone_record.h"
#include "deploy/frame_result.h"
#include "formats/bytes.h"
#include "internal/record_buffer.h"
#include "train/frame_views.h"
#include "train/network_state.h"
#include "train/options/from_config.h"
#include "train/predict_inputs.h"

namespace bevgrad {
namespace {

using nlohmann::ordered_json;

double milliseconds(std::chrono::steady_clock::duration duration) {
  return std::round(std::chrono::duration<double, std::milli>(duration).count() * 100) / 100;
}

std::string line(const ordered_json& value) {
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

FrameService::FrameService(const configs::Document& document, const TrainedNetworkOptions& options,
                           const std::string& rasters, RunLog& log, const Parts& parts)
    : proto_(document.proto),
      dataset_(configs::dataset_options(proto_, false)),
      trained_(document, options, log, parts),
      evaluation_(evaluation_options(proto_, parts.tasks)),
      rasters_(rasters) {
  dataset_.load_points = proto_.tasks().enable_lidar();
  if (!rasters_.empty()) std::filesystem::create_directories(rasters_);
}

std::string FrameService::error_line(const ServedStream& stream, const std::string& message) const {
  return line({{"stream", stream.number}, {"frame", stream.frames}, {"error", message}});
}

std::string FrameService::describe(ServedStream& stream, const std::string& key, const FrameMoment& moment,
                                   const PlayedFrame& frame, Clock::time_point begin, Clock::time_point read) {
  const Clock::time_point played = Clock::now();
  ordered_json answer = {{"stream", stream.number},
                         {"frame", stream.frames},
                         {"key", key},
                         {"sequence", moment.sequence},
                         {"timestamp", moment.timestamp}};
  if (frame.history.valid.defined()) {
    ordered_json& history = answer["history"] = ordered_json::array();
    for (const double valid : frame.history.valid.to_vector()) history.push_back(valid != 0);
  }
  EvaluationFrame predictions = predictions_of(frame, trained_.tasks());
  predictions.sequence = moment.sequence;
  predictions.timestamp = moment.timestamp;
  predictions.ego_pose = moment.ego_pose;
  if (!stream.tracker) stream.tracker.emplace(evaluation_.tracks);
  stream.tracker->follow(predictions);
  answer.update(objects_json(predictions, evaluation_));
  if (!rasters_.empty()) {
    const std::string name = fmt::format("{:02}-{:06}.h5", stream.number, stream.frames);
    write_rasters((std::filesystem::path(rasters_) / name).string(), predictions, frame, trained_.tasks());
    answer["rasters"] = name;
  }
  const Clock::time_point end = Clock::now();
  answer["ms"] = {{"read", milliseconds(read - begin)},
                  {"network", milliseconds(played - read)},
                  {"decode", milliseconds(end - played)},
                  {"total", milliseconds(end - begin)}};
  latencies_.add(milliseconds(end - begin));
  ++stream.frames;
  return line(answer);
}

std::string FrameService::play_record(ServedStream& stream, std::span<const uint8_t> record,
                                      const std::string& source) {
  const Clock::time_point begin = Clock::now();
  const Sample sample = decode_lone_record(record, dataset_, source);
  const Batch batch = collate({sample}, {false}, dataset_);
  const NetworkInput input = network_input(batch);
  const FrameMoment moment{sample.sequence, sample.timestamp, sample.ego_pose};
  const Clock::time_point read = Clock::now();
  const PlayedFrame frame = stream.stream.play(input, moment);
  return describe(stream, sample.key, moment, frame, begin, read);
}

std::string FrameService::answer(ServedStream& stream, std::span<const uint8_t> record) {
  try {
    return play_record(stream, record, fmt::format("stream {}", stream.number));
  } catch (const std::exception& error) {
    return error_line(stream, error.what());
  }
}

std::string FrameService::answer_file(ServedStream& stream, const std::string& path) {
  std::string lines;
  try {
    if (!path.ends_with(".h5")) {
      const auto source = open_file(path);
      check(source->size() <= RecordBuffer::kLongest, "{}: {} bytes, a record has up to {}", path, source->size(),
            RecordBuffer::kLongest);
      std::vector<uint8_t> bytes(source->size());
      source->read(0, std::as_writable_bytes(std::span(bytes)));
      return play_record(stream, bytes, path);
    }
    const PredictInputs inputs(path, proto_);
    for (int64_t i = 0; i < inputs.size(); ++i) {
      const Clock::time_point begin = Clock::now();
      const NetworkInput input = inputs.input(i);
      const FrameMoment moment = inputs.moment(i);
      const Clock::time_point read = Clock::now();
      const PlayedFrame frame = stream.stream.play(input, moment);
      lines += describe(stream, fmt::format("{}#{}", std::filesystem::path(path).filename().string(), i), moment, frame,
                        begin, read);
    }
  } catch (const std::exception& error) {
    lines += error_line(stream, error.what());
  }
  return lines;
}

}  // namespace bevgrad
