#include "deploy/onnx_export.h"

#include "autograd/autograd.h"
#include "base/error.h"
#include "export/stages.h"
#include "formats/hdf5/tensor_file.h"
#include "internal/feeds.h"
#include "tensor/ops.h"
#include "train/frame_stream.h"
#include "train/predict_inputs.h"

namespace bevgrad {
namespace {

OnnxSizes sizes_of(const OnnxMap& map) {
  return {std::string("N"), map.channels, map.height, map.width};
}

// int64 [1]: samples, from the images of the first group.
std::string batch_of(OnnxGraph& graph, const std::string& images, int64_t cameras) {
  const std::string count = graph.node("Shape", {images}, {{"start", 0}, {"end", 1}});
  return graph.node("Div", {count, graph.constant(std::vector<int64_t>{cameras})});
}

std::string images_of(OnnxGraph& graph, const NetworkOptions& options, const CameraGroupNetwork& group,
                      bool normalised) {
  const OnnxSizes sizes = {fmt::format("N*{}", group.num_cameras), int64_t{3}, group.height, group.width};
  const std::string images = graph.input("images_" + group.name, normalised ? DType::Float32 : DType::UInt8, sizes);
  if (normalised) return images;
  const Tensor mean = from_values(options.image_mean, {1, 3, 1, 1});
  const Tensor std = from_values(options.image_std, {1, 3, 1, 1}, {DType::Float64});
  const Tensor factor = ops::to(ops::div(ones({1, 3, 1, 1}, {DType::Float64}), std), DType::Float32);
  const std::string pixels = graph.node("Cast", {images}, {{"to", 1}});
  return graph.node("Mul", {graph.node("Sub", {pixels, graph.constant(mean)}), graph.constant(factor)});
}

OnnxMap add_encoder(OnnxLayers& layers, const NetworkOptions& options, const OnnxParts& parts, bool normalised) {
  OnnxGraph& graph = layers.graph();
  std::vector<OnnxMap> features;
  std::string batch;
  for (size_t g = 0; g < options.groups.size(); ++g) {
    const CameraGroupNetwork& group = options.groups[g];
    const OnnxMap images{images_of(graph, options, group, normalised), 3, group.height, group.width};
    if (g == 0) batch = batch_of(graph, images.value, group.num_cameras);
    const std::vector<OnnxMap> taps =
        parts.backbone(layers, options, group, fmt::format("stage1_backbone{}", g), images);
    features.push_back(parts.neck(layers, fmt::format("stage1_neck{}", g), taps));
  }
  std::vector<OnnxMap> maps = {parts.view_transform(layers, options, features)};
  graph.output(maps.back().value, kBevCamera, sizes_of(maps.back()));
  if (options.enable_lidar) {
    maps.push_back(export_lidar(layers, options, batch));
    graph.output(maps.back().value, kBevLidar, sizes_of(maps.back()));
  }
  OnnxMap fused = export_fuser(layers, maps);
  graph.output(fused.value, kBevFused, sizes_of(fused));
  return fused;
}

void add_decoder(OnnxLayers& layers, const NetworkOptions& options, const OnnxParts& parts, const TaskList& tasks,
                 const OnnxMap& fused) {
  OnnxGraph& graph = layers.graph();
  OnnxMap temporal = fused;
  if (parts.temporal_fusion != nullptr) {
    const OnnxTemporal result = parts.temporal_fusion(layers, options, fused);
    temporal = result.fused;
    graph.output(result.weights, kFusionWeights,
                 {std::string("N"), options.temporal.history + 1, fused.height, fused.width});
  }
  graph.output(temporal.value, kBevTemporal, sizes_of(temporal));
  for (const ActiveTask& active : tasks) {
    if (active.module.empty()) continue;  // it learns from the encoder and adds no map
    const OnnxMap& feature = active.uses_history ? temporal : fused;
    const OnnxMaps maps = active.task->export_head(layers, feature);
    if (maps.empty()) throw UsageError(fmt::format("export: {}: the head has no form in ONNX", active.module));
    for (const auto& [name, map] : maps) graph.output(map.value, name, sizes_of(map));
  }
}

void write_feeds(const configs::Document& document, const OnnxExportOptions& options, TrainedNetwork& trained) {
  const PredictInputs inputs(options.frames, document.proto);
  FrameStream stream(trained);
  Hdf5Writer writer(options.feeds);
  for (int64_t i = 0; i < inputs.size(); ++i) {
    const NetworkInput input = inputs.input(i);
    if (!options.normalised_images && input.images.front().dtype() != DType::UInt8)
      throw UsageError(
          fmt::format("{}: the images are normalised already; the model that takes them so needs "
                      "--normalised-images",
                      options.frames));
    const History history = inputs.play(i, stream).history;
    for (const auto& [name, feed] : onnx_feeds(trained.network().options(), input, history, options.normalised_images))
      writer.write(fmt::format("{}/{}", i, name), ops::contiguous(feed, MemoryFormat::Contiguous));
  }
  writer.commit();
}

std::string with_suffix(const std::string& path, const std::string& suffix) {
  const std::string end = ".onnx";
  return (path.ends_with(end) ? path.substr(0, path.size() - end.size()) : path) + suffix + end;
}

}  // namespace

void export_onnx(const configs::Document& document, const OnnxExportOptions& options, RunLog& log, const Parts& parts) {
  const NoGradGuard no_grad;
  if (document.proto.sensors().groups().empty())
    throw UsageError(fmt::format("{}: field \"sensors.groups\": a network without cameras has no form in ONNX here",
                                 document.place("sensors.groups")));
  const OnnxParts forms = onnx_parts(document, parts);
  TrainedNetwork trained(document, {.ckpt = options.ckpt}, log, parts);
  const Network& network = trained.network();

  OnnxGraph whole("bevgrad"), decoder("bevgrad_decoder");
  OnnxLayers layers(whole, network);
  OnnxMap fused = add_encoder(layers, network.options(), forms, options.normalised_images);
  if (options.split) {
    layers.switch_to(decoder);
    fused.value = decoder.input(kBevFused, DType::Float32, sizes_of(fused));
  }
  add_decoder(layers, network.options(), forms, trained.tasks(), fused);
  layers.check_all_taken();
  const auto save = [&](OnnxGraph& graph, const std::string& path) {
    graph.save(path);
    log.info(fmt::format("wrote {}", path));
  };
  save(whole, options.split ? with_suffix(options.out, ".encoder") : options.out);
  if (options.split) save(decoder, with_suffix(options.out, ".decoder"));
  if (!options.feeds.empty()) {
    write_feeds(document, options, trained);
    log.info(fmt::format("wrote {}", options.feeds));
  }
}

}  // namespace bevgrad
