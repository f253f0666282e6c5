#include "train/predictor.h"

#include <map>
#include <optional>

#include "autograd/autograd.h"
#include "formats/hdf5/tensor_file.h"
#include "models/tap.h"
#include "tensor/ops.h"
#include "train/frame_stream.h"
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

}  // namespace

void predict(const configs::Document& document, const PredictOptions& options, RunLog& log, const Parts& parts) {
  const NoGradGuard no_grad;
  const PredictInputs inputs(options.inputs, document.proto);
  TrainedNetwork trained(document, {.ckpt = options.ckpt, .amp = options.amp, .device = options.device}, log, parts);
  std::optional<TapRecorder> taps;
  if (!options.taps.empty()) taps.emplace(trained.network(), options.taps);
  FrameStream stream(trained);
  Outputs outputs(options.outputs, inputs.size());
  for (int64_t i = 0; i < inputs.size(); ++i) {
    const PlayedFrame frame = inputs.play(i, stream);
    for (const auto& [name, row] : outputs_of(frame.maps, trained.tasks())) outputs.add(name, row);
    if (taps) {
      for (const auto& [name, value] : taps->take()) outputs.keep_tap(name, value);
    }
  }
  outputs.commit();
  log.info(fmt::format("{} samples; wrote {}", inputs.size(), options.outputs));
}

}  // namespace bevgrad
