#include "deploy/onnx_export.h"

#include "autograd/autograd.h"
#include "base/error.h"
#include "deploy/calibration.h"
#include "export/stages.h"
#include "internal/feeds_file.h"
#include "tensor/ops.h"
#include "train/eight_bits.h"
#include "train/frame_stream.h"

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
    const std::string input = images_of(graph, options, group, normalised);
    if (g == 0) batch = batch_of(graph, input, group.num_cameras);
    const OnnxMap images{layers.narrow(input), 3, group.height, group.width};
    const std::vector<OnnxMap> taps =
        parts.backbone(layers, options, group, fmt::format("stage1_backbone{}", g), images);
    features.push_back(parts.neck(layers, fmt::format("stage1_neck{}", g), taps));
  }
  std::vector<OnnxMap> maps = {parts.view_transform(layers, options, features)};
  graph.output(layers.widen(maps.back().value), kBevCamera, sizes_of(maps.back()));
  if (options.enable_lidar) {
    maps.push_back(export_lidar(layers, options, batch));
    graph.output(layers.widen(maps.back().value), kBevLidar, sizes_of(maps.back()));
  }
  OnnxMap fused = export_fuser(layers, maps);
  graph.output(layers.widen(fused.value), kBevFused, sizes_of(fused));
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
  graph.output(layers.widen(temporal.value), kBevTemporal, sizes_of(temporal));
  for (const ActiveTask& active : tasks) {
    if (active.module.empty()) continue;  // it learns from the encoder and adds no map
    const OnnxMap& feature = active.uses_history ? temporal : fused;
    const OnnxMaps maps = active.task->export_head(layers, feature);
    if (maps.empty()) throw UsageError(fmt::format("export: {}: the head has no form in ONNX", active.module));
    for (const auto& [name, map] : maps) graph.output(layers.widen(map.value), name, sizes_of(map));
  }
}

std::string with_suffix(const std::string& path, const std::string& suffix) {
  const std::string end = ".onnx";
  return (path.ends_with(end) ? path.substr(0, path.size() - end.size()) : path) + suffix + end;
}

// Those of the config, or measured now.
ActivationRanges ranges_of(const configs::Document& document, const OnnxExportOptions& options,
                           TrainedNetwork& trained) {
  const bool all_signed = options.precision == OnnxPrecision::Int8Signed;
  if (document.proto.int8().convs().empty())
    return calibrate(document, trained, options.calibration_frames, all_signed);
  ActivationRanges ranges = activation_ranges(document.proto.int8());
  for (auto& [name, conv] : ranges)
    for (ActivationRange* range : {&conv.input, &conv.before_sum, &conv.output}) range->is_signed |= all_signed;
  return ranges;
}

}  // namespace

void export_onnx(const configs::Document& document, const OnnxExportOptions& options, RunLog& log, const Parts& parts) {
  const NoGradGuard no_grad;
  if (document.proto.sensors().groups().empty())
    throw UsageError(fmt::format("{}: field \"sensors.groups\": a network without cameras has no form in ONNX here",
                                 document.place("sensors.groups")));
  const OnnxParts forms = onnx_parts(document, parts);
  TrainedNetwork trained(in_floating_point(document), {.ckpt = options.ckpt}, log, parts);
  const Network& network = trained.network();

  OnnxGraph whole("bevgrad"), decoder("bevgrad_decoder");
  OnnxForm form{.precision = options.precision, .candidates = options.candidates};
  if (is_integer(options.precision)) form.ranges = ranges_of(document, options, trained);
  OnnxLayers layers(whole, network, std::move(form));
  OnnxMap fused = add_encoder(layers, network.options(), forms, options.normalised_images);
  if (options.split) {
    layers.switch_to(decoder);
    fused.value = layers.narrow(decoder.input(kBevFused, DType::Float32, sizes_of(fused)));
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
    write_feeds(document, options, trained, forms);
    log.info(fmt::format("wrote {}", options.feeds));
    if (!options.labels.empty()) log.info(fmt::format("wrote {}", options.labels));
  }
}

}  // namespace bevgrad
