#include "internal/feeds_file.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "data/batch.h"
#include "data/dataset.h"
#include "formats/hdf5/tensor_file.h"
#include "internal/feeds.h"
#include "tensor/ops.h"
#include "train/network_state.h"
#include "train/options/from_config.h"
#include "train/predict_inputs.h"

namespace bevgrad {
namespace {

constexpr int64_t kMostObjects = 500;

class FeedsFile {
 public:
  FeedsFile(const OnnxExportOptions& options, TrainedNetwork& trained, const OnnxParts& parts)
      : options_(options), trained_(trained), parts_(parts), writer_(options.feeds) {}

  void add(const NetworkInput& input, const History& history) {
    const NetworkOptions& network = trained_.network().options();
    for (const auto& [name, feed] : onnx_feeds(network, parts_, input, history, options_.normalised_images))
      writer_.write(fmt::format("{}/{}", frames_, name), ops::contiguous(feed, MemoryFormat::Contiguous));
    ++frames_;
  }
  void commit() { writer_.commit(); }

 private:
  const OnnxExportOptions& options_;
  TrainedNetwork& trained_;
  const OnnxParts& parts_;
  Hdf5Writer writer_;
  int64_t frames_ = 0;
};

void write_from_file(const configs::Document& document, const OnnxExportOptions& options, TrainedNetwork& trained,
                     const OnnxParts& parts) {
  const PredictInputs inputs(options.frames, document.proto);
  FrameStream stream(trained);
  FeedsFile feeds(options, trained, parts);
  for (int64_t i = 0; i < inputs.size(); ++i) {
    const NetworkInput input = inputs.input(i);
    if (!options.normalised_images && input.images.front().dtype() != DType::UInt8)
      throw UsageError(
          fmt::format("{}: the images are normalised already; the model that takes them so needs "
                      "--normalised-images",
                      options.frames));
    feeds.add(input, inputs.play(i, stream).history);
  }
  feeds.commit();
}

Tensor value(double number) {
  return scalar(number, {DType::Float64});
}

Tensor integer(int64_t number) {
  const Tensor result = zeros({}, {DType::Int64});
  *result.data<int64_t>() = number;
  return result;
}

/// Rows of objects, of which the last column is the class: -1 in those that are not used.
Tensor objects(std::vector<double> values, int64_t columns) {
  const auto count = static_cast<int64_t>(values.size()) / columns;
  check(count <= kMostObjects, "a frame has {} objects, expected up to {}", count, kMostObjects);
  for (int64_t row = count; row < kMostObjects; ++row) {
    values.insert(values.end(), static_cast<size_t>(columns - 1), 0);
    values.push_back(-1);
  }
  return from_values(values, {kMostObjects, columns}, {.dtype = DType::Float64});
}

/// What is labelled of a frame, as `bevgrad eval` reads it (evaluation/evaluate_files.h).
NamedTensors labels_of(const Sample& sample) {
  const Labels& labels = sample.labels;
  NamedTensors rows = {{"sequence", integer(sample.sequence)},
                       {"timestamp", value(sample.timestamp)},
                       {"ego_pose", from_values({sample.ego_pose.m.begin(), sample.ego_pose.m.end()}, {4, 4},
                                                {.dtype = DType::Float64})}};
  if (labels.lane.defined()) rows.emplace_back("lane", labels.lane);
  if (labels.road.defined()) rows.emplace_back("road", labels.road);
  if (labels.visibility.defined()) rows.emplace_back("visibility", labels.visibility);
  if (labels.has_instances) {
    std::vector<double> values;
    for (const Instance& of : labels.instances)
      values.insert(values.end(), {of.x, of.y, of.w, of.h, of.angle, static_cast<double>(of.class_id)});
    rows.emplace_back("instances", objects(std::move(values), 6));
  }
  if (labels.has_boxes) {
    std::vector<double> values;
    const Tensor points = full({kMostObjects}, -1, {DType::Int64}), tracks = full({kMostObjects}, -1, {DType::Int64});
    for (size_t i = 0; i < labels.boxes.size(); ++i) {
      const Box3d& of = labels.boxes[i];
      values.insert(values.end(),
                    {of.x, of.y, of.z, of.l, of.w, of.h, of.yaw, of.vx, of.vy, 1.0, static_cast<double>(of.class_id)});
      if (i >= static_cast<size_t>(kMostObjects)) continue;
      points.data<int64_t>()[i] = of.num_lidar_points;
      tracks.data<int64_t>()[i] = of.track;
    }
    rows.emplace_back("boxes", objects(std::move(values), 11));
    rows.emplace_back("box_points", points);
    rows.emplace_back("box_tracks", tracks);
  }
  return rows;
}

class LabelsFile {
 public:
  LabelsFile(const std::string& path, int64_t frames) : writer_(path), frames_(frames) {}

  void add(const Sample& sample) {
    const NamedTensors rows = labels_of(sample);
    std::vector<std::string> names;
    for (const auto& [name, row] : rows) names.push_back(name);
    const bool first = names_.empty();
    if (first) names_ = names;
    if (names != names_)
      throw UsageError(fmt::format("frame {}: it is labelled with {}, the frames before it with {}", sample.key,
                                   fmt::join(names, ", "), fmt::join(names_, ", ")));
    for (const auto& [name, row] : rows) {
      Shape sizes = row.sizes();
      sizes.insert(sizes.begin(), frames_);
      if (first) writer_.create(name, sizes, row.dtype());
      sizes[0] = 1;
      writer_.write_rows(name, ops::reshape(ops::contiguous(row, MemoryFormat::Contiguous), sizes));
    }
  }
  void commit() { writer_.commit(); }

 private:
  Hdf5Writer writer_;
  int64_t frames_;
  std::vector<std::string> names_;
};

void write_from_val_sets(const configs::Document& document, const OnnxExportOptions& options, TrainedNetwork& trained,
                         const OnnxParts& parts) {
  const config::Config& proto = document.proto;
  const Dataset dataset(configs::lmdb_list(proto), configs::val_lists(proto), configs::dataset_options(proto, false));
  std::vector<int64_t> frames;
  for (const Stream& stream : dataset.streams())
    frames.insert(frames.end(), stream.frames.begin(), stream.frames.end());
  if (frames.empty())
    throw UsageError(fmt::format("{}: field \"data.val\": there are no frames", document.place("data.val")));
  frames.resize(std::min(frames.size(), static_cast<size_t>(options.val_frames)));
  FrameStream stream(trained);
  FeedsFile feeds(options, trained, parts);
  std::optional<LabelsFile> labels;
  if (!options.labels.empty()) labels.emplace(options.labels, static_cast<int64_t>(frames.size()));
  for (const int64_t index : frames) {
    const Sample sample = dataset.load(index);
    const NetworkInput input = network_input(collate({sample}, {false}, dataset.options()));
    feeds.add(input, stream.play(input, {sample.sequence, sample.timestamp, sample.ego_pose}).history);
    if (labels) labels->add(sample);
  }
  feeds.commit();
  if (labels) labels->commit();
}

}  // namespace

void write_feeds(const configs::Document& document, const OnnxExportOptions& options, TrainedNetwork& trained,
                 const OnnxParts& parts) {
  if (options.frames.empty()) {
    write_from_val_sets(document, options, trained, parts);
  } else {
    write_from_file(document, options, trained, parts);
  }
}

}  // namespace bevgrad
