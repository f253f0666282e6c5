#include "export.h"

#include <optional>

#include "autograd/autograd.h"
#include "base/error.h"
#include "formats/hdf5/tensor_file.h"
#include "internal/feeds.h"
#include "internal/stages.h"
#include "models/history_player.h"
#include "tasks/task_list.h"
#include "tensor/ops.h"
#include "train/network_state.h"
#include "train/options/from_config.h"
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

OnnxMap add_encoder(OnnxLayers& layers, const NetworkOptions& options, bool normalised) {
  OnnxGraph& graph = layers.graph();
  std::vector<OnnxMap> features;
  std::string batch;
  for (size_t g = 0; g < options.groups.size(); ++g) {
    const std::string images = images_of(graph, options, options.groups[g], normalised);
    if (g == 0) batch = batch_of(graph, images, options.groups[g].num_cameras);
    features.push_back(export_trunk(layers, options, g, images));
  }
  std::vector<OnnxMap> maps = {export_view_transfer(layers, options, features)};
  graph.output(maps.back().value, kBevCamera, sizes_of(maps.back()));
  if (options.enable_lidar) {
    maps.push_back(export_lidar(layers, options, batch));
    graph.output(maps.back().value, kBevLidar, sizes_of(maps.back()));
  }
  OnnxMap fused = export_fuser(layers, maps);
  graph.output(fused.value, kBevFused, sizes_of(fused));
  return fused;
}

void add_decoder(OnnxLayers& layers, const Network& network, const TaskList& tasks, const OnnxMap& fused) {
  OnnxGraph& graph = layers.graph();
  OnnxMap temporal = fused;
  if (network.options().enable_static_temporal) {
    const OnnxTemporal result = export_temporal_fusion(layers, network.options(), fused);
    temporal = result.fused;
    graph.output(result.weights, kFusionWeights,
                 {std::string("N"), network.options().temporal.history + 1, fused.height, fused.width});
  }
  graph.output(temporal.value, kBevTemporal, sizes_of(temporal));
  for (const ActiveTask& active : tasks) {
    if (active.module.empty()) continue;  // it learns from the encoder and adds no map
    const OnnxMap& feature = active.uses_history ? temporal : fused;
    const auto exporter = active.module == "bev_static_head"    ? export_static_head
                          : active.module == "bev_dynamic_head" ? export_dynamic_head
                                                                : nullptr;
    if (exporter == nullptr) throw UsageError(fmt::format("export: {}: the head has no form in ONNX", active.module));
    for (const auto& [name, map] : exporter(layers, feature)) graph.output(map.value, name, sizes_of(map));
  }
}

void write_feeds(const configs::Document& document, const ExportOptions& options, Network& network) {
  const PredictInputs inputs(options.frames, document.proto);
  std::optional<HistoryPlayer> player;
  if (network.options().enable_static_temporal) {
    HistoryOptions history = configs::history_options(document.proto);
    history.storage = DType::Float32;
    player.emplace(history, 1);
  }
  Hdf5Writer writer(options.feeds);
  for (int64_t i = 0; i < inputs.size(); ++i) {
    const NetworkInput input = inputs.input(i);
    if (!options.normalised_images && input.images.front().dtype() != DType::UInt8)
      throw UsageError(
          fmt::format("{}: the images are normalised already; the model that takes them so needs "
                      "--normalised-images",
                      options.frames));
    History history;
    if (player) {
      NetworkOutput output = network.encode(input);
      history = player->play(network, output, {.moments = {inputs.moment(i)}, .starts = {false}});
    }
    for (const auto& [name, feed] : onnx_feeds(network.options(), input, history, options.normalised_images))
      writer.write(fmt::format("{}/{}", i, name), ops::contiguous(feed, MemoryFormat::Contiguous));
  }
  writer.commit();
}

std::string with_suffix(const std::string& path, const std::string& suffix) {
  const std::string end = ".onnx";
  return (path.ends_with(end) ? path.substr(0, path.size() - end.size()) : path) + suffix + end;
}

}  // namespace

void export_onnx(const configs::Document& document, const ExportOptions& options, RunLog& log, const Parts& parts) {
  const NoGradGuard no_grad;
  if (document.proto.sensors().groups().empty())
    throw UsageError(fmt::format("{}: field \"sensors.groups\": a network without cameras has no form in ONNX here",
                                 document.place("sensors.groups")));
  Generator generator(document.proto.seed());
  const TaskList tasks(parts.tasks, document);
  Network network(configs::network_options(document), generator, network_parts(document, parts));
  load_network(network, options.ckpt, log);
  network.set_training(false);
  network.set_backbone_amp(false);
  network.set_head_amp(false);

  OnnxGraph whole("bevgrad"), decoder("bevgrad_decoder");
  OnnxLayers layers(whole, network);
  OnnxMap fused = add_encoder(layers, network.options(), options.normalised_images);
  if (options.split) {
    layers.switch_to(decoder);
    fused.value = decoder.input(kBevFused, DType::Float32, sizes_of(fused));
  }
  add_decoder(layers, network, tasks, fused);
  layers.check_all_taken();
  const auto save = [&](OnnxGraph& graph, const std::string& path) {
    graph.save(path);
    log.info(fmt::format("wrote {}", path));
  };
  save(whole, options.split ? with_suffix(options.out, ".encoder") : options.out);
  if (options.split) save(decoder, with_suffix(options.out, ".decoder"));
  if (!options.feeds.empty()) {
    write_feeds(document, options, network);
    log.info(fmt::format("wrote {}", options.feeds));
  }
}

}  // namespace bevgrad
