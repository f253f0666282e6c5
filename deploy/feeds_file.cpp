#include "internal/feeds_file.h"

#include <algorithm>
#include <optional>
#include <set>

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
  FeedsFile(const OnnxExportOptions& options, TrainedNetwork& trained)
      : options_(options), trained_(trained), writer_(options.feeds) {}

  void add(const NetworkInput& input, const History& history) {
    const NetworkOptions& network = trained_.network().options();
    for (const auto& [name, feed] : onnx_feeds(network, input, history, options_.normalised_images))
      writer_.write(fmt::format("{}/{}", frames_, name), ops::contiguous(feed, MemoryFormat::Contiguous));
    ++frames_;
  }
  void commit() { writer_.commit(); }

 private:
  const OnnxExportOptions& options_;
  TrainedNetwork& trained_;
  Hdf5Writer writer_;
  int64_t frames_ = 0;
};

void write_from_file(const configs::Document& document, const OnnxExportOptions& options, TrainedNetwork& trained) {
  const PredictInputs inputs(options.frames, document.proto);
  FrameStream stream(trained);
  FeedsFile feeds(options, trained);
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

/// The labels of frames as `bevgrad eval` reads them (evaluation/evaluate_files.h).
class LabelsFile {
 public:
  LabelsFile(const std::string& path, int64_t frames) : writer_(path), frames_(frames) {}

  void add(const Sample& sample) {
    const Labels& labels = sample.labels;
    add("lane", labels.lane);
    add("road", labels.road);
    if (labels.visibility.defined()) add("visibility", labels.visibility);
    const Tensor sequence = zeros({}, {DType::Int64});
    *sequence.data<int64_t>() = sample.sequence;
    add("sequence", sequence);
    add_values("timestamp", {sample.timestamp}, {});
    add_values("ego_pose", {sample.ego_pose.m.begin(), sample.ego_pose.m.end()}, {4, 4});
    std::vector<double> rows;
    for (const Instance& of : labels.instances)
      rows.insert(rows.end(), {of.x, of.y, of.w, of.h, of.angle, static_cast<double>(of.class_id)});
    add_objects("instances", rows, 6);
    rows.clear();
    for (const Box3d& of : labels.boxes)
      rows.insert(rows.end(),
                  {of.x, of.y, of.z, of.l, of.w, of.h, of.yaw, of.vx, of.vy, 1.0, static_cast<double>(of.class_id)});
    add_objects("boxes", rows, 11);
  }
  void commit() { writer_.commit(); }

 private:
  void add(const std::string& name, const Tensor& frame) {
    Shape sizes = frame.sizes();
    sizes.insert(sizes.begin(), frames_);
    if (made_.insert(name).second) writer_.create(name, sizes, frame.dtype());
    sizes[0] = 1;
    writer_.write_rows(name, ops::reshape(ops::contiguous(frame, MemoryFormat::Contiguous), sizes));
  }
  void add_values(const std::string& name, const std::vector<double>& values, const Shape& sizes) {
    add(name, from_values(values, sizes, {.dtype = DType::Float64}));
  }
  // Unused rows have class -1.
  void add_objects(const std::string& name, std::vector<double> rows, int64_t columns) {
    check(static_cast<int64_t>(rows.size()) <= kMostObjects * columns, "a frame has more than {} {}", kMostObjects,
          name);
    while (static_cast<int64_t>(rows.size()) < kMostObjects * columns)
      rows.push_back((static_cast<int64_t>(rows.size()) + 1) % columns == 0 ? -1 : 0);
    add_values(name, rows, {kMostObjects, columns});
  }

  Hdf5Writer writer_;
  int64_t frames_;
  std::set<std::string> made_;
};

void write_from_val_sets(const configs::Document& document, const OnnxExportOptions& options, TrainedNetwork& trained) {
  const config::Config& proto = document.proto;
  const Dataset dataset(configs::lmdb_list(proto), configs::val_lists(proto), configs::dataset_options(proto, false));
  std::vector<int64_t> frames;
  for (const Stream& stream : dataset.streams())
    frames.insert(frames.end(), stream.frames.begin(), stream.frames.end());
  if (frames.empty())
    throw UsageError(fmt::format("{}: field \"data.val\": there are no frames", document.place("data.val")));
  frames.resize(std::min(frames.size(), static_cast<size_t>(options.val_frames)));
  FrameStream stream(trained);
  FeedsFile feeds(options, trained);
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

void write_feeds(const configs::Document& document, const OnnxExportOptions& options, TrainedNetwork& trained) {
  if (options.frames.empty()) {
    write_from_val_sets(document, options, trained);
  } else {
    write_from_file(document, options, trained);
  }
}

}  // namespace bevgrad
