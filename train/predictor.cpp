#include "train/predictor.h"

#include <map>
#include <optional>

#include "autograd/autograd.h"
#include "models/dynamic_head.h"
#include "models/static_head.h"
#include "models/tap.h"
#include "tensor/ops.h"
#include "train/network_state.h"
#include "train/options/from_config.h"
#include "train/predict_inputs.h"

namespace bevgrad {
namespace {

/// The output file, filled row by row; a dataset is made when its first row comes.
class Outputs {
 public:
  Outputs(const std::string& path, int64_t rows) : writer_(path), rows_(rows) {}

  void add(const std::string& name, const Tensor& row) {
    const Tensor values = ops::contiguous(ops::to(ops::to(row, DType::Float32), Device()));
    if (made_.try_emplace(name, values.sizes()).second) {
      Shape sizes = values.sizes();
      sizes[0] = rows_;
      writer_.create(name, sizes, DType::Float32);
    }
    writer_.write_rows(name, values);
  }
  void keep_tap(const std::string& name, const Tensor& value) {
    taps_[name].push_back(ops::contiguous(ops::to(value, Device())));
  }

  void commit() {
    for (const auto& [name, parts] : taps_)
      writer_.write("tap/" + escape_link(name), ops::contiguous(ops::cat(parts, 0)));
    writer_.commit();
  }

 private:
  Hdf5Writer writer_;
  int64_t rows_;
  std::map<std::string, Shape> made_;
  std::map<std::string, std::vector<Tensor>> taps_;
};

void add_maps(Outputs& outputs, const NetworkOutput& output, const config::Config& proto) {
  for (const NetworkMap& entry : output) outputs.add(entry.name, entry.map);
  if (output.has(kInstanceHeatmap)) {
    const DecodedInstances decoded =
        decode_instances(output.at(kInstanceHeatmap), output.at(kInstanceBox), configs::instance_decode_options(proto));
    outputs.add("instances", decoded.instances);
    outputs.add("instance_scores", decoded.scores);
  }
  if (const std::map<std::string, Tensor> maps = dynamic_maps(output); !maps.empty())
    outputs.add("boxes", decode_boxes(maps, configs::box_decode_options(proto)));
}

}  // namespace

void predict(const configs::Document& document, const PredictOptions& options, RunLog& log, const Parts& parts) {
  const config::Config& proto = document.proto;
  const NoGradGuard no_grad;
  const PredictInputs inputs(options.inputs, proto);
  Generator generator(proto.seed());
  Network network(configs::network_options(document), generator, network_parts(document, parts));
  load_network(network, options.ckpt, log);
  network.move_to(options.device);
  network.set_training(false);
  network.set_backbone_amp(options.amp);
  if (!options.amp) network.set_head_amp(false);
  std::optional<TapRecorder> taps;
  if (!options.taps.empty()) taps.emplace(network, options.taps);
  std::optional<HistoryFeatureManager> history_manager;
  if (proto.tasks().enable_static_temporal()) {
    HistoryOptions history_options = configs::history_options(proto);
    if (!options.amp) history_options.storage = DType::Float32;
    history_manager.emplace(history_options, 1);
  }

  Outputs outputs(options.outputs, inputs.size());
  for (int64_t i = 0; i < inputs.size(); ++i) {
    NetworkOutput output = network.encode(inputs.input(i));
    History history;
    if (history_manager) {
      const std::vector<FrameMoment> moment = {inputs.moment(i)};
      history = history_manager->sample(moment);
      history_manager->push(output.at(kBevFused), moment);
    }
    network.decode(output, history);
    add_maps(outputs, output, proto);
    if (taps) {
      for (const auto& [name, value] : taps->take()) outputs.keep_tap(name, value);
    }
  }
  outputs.commit();
  log.info(fmt::format("{} samples; wrote {}", inputs.size(), options.outputs));
}

}  // namespace bevgrad
