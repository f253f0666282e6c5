#include "internal/synthetic_training.h"

#include <fmt/format.h>

#include <cmath>

#include "autograd/autograd.h"
#include "internal/synthetic.h"
#include "optim/clip_grad_norm.h"
#include "optim/freezing.h"
#include "tasks/losses.h"
#include "tensor/allocator.h"
#include "tensor/kept_weights.h"
#include "tensor/ops.h"
#include "tensor/profile.h"
#include "tensor/read_scalars.h"
#include "train/logging/run_log.h"
#include "train/network_state.h"
#include "train/options/from_config.h"
#include "train/work_dir.h"

namespace bevgrad {

SyntheticTraining::SyntheticTraining(const configs::Document& document, const BenchOptions& options)
    : program_bytes_(resident_bytes()),
      proto_(document.proto),
      generator_(proto_.seed()),
      tasks_(options.parts.tasks, document),
      network_(configs::network_options(document), generator_, network_parts(document, options.parts)),
      optimizer_(make_optimizer(document, options.parts)),
      cached_(options.cached && proto_.tasks().enable_static_temporal()),
      budget_(network_, proto_.train().memory_budget_gb(),
              document.place("train.memory_budget_gb") + ": field \"train.memory_budget_gb\"",
              [](const std::string& line) { fmt::print("{}\n", line); }) {
  network_.move_to(options.device);
  network_.set_training(true);
  std::vector<std::pair<std::string, int64_t>> frozen;
  for (const config::FreezeModule& entry : proto_.train().freeze_module_schedules())
    frozen.emplace_back(entry.module(), entry.steps());
  FreezeSchedule(network_, frozen, network_.switched_off()).apply(0);
  optimizer_->set_parameters(optimized_parameters(trainable_parameters(network_), {}));
  const int64_t count = options.batch > 0 ? options.batch : proto_.train().batch_size();
  batch_ = synthetic_batch(document, count, !cached_, generator_);
  const BevGrid& grid = network_.options().grid;
  const Shape feature{count, proto_.network().bev_channels(), grid.rows(), grid.columns()};
  if (cached_) feature_ = ops::contiguous(generator_.uniform(feature), MemoryFormat::ChannelsLast);
  if (proto_.tasks().enable_static_temporal())
    history_ = synthetic_history(proto_, feature, DType::BFloat16, generator_);
  if (options.device.is_cpu()) return;
  batch_.on_device = std::make_shared<BatchCopies>(batch_, options.device);
  if (cached_) feature_ = ops::to(feature_, options.device);
  for (Tensor& past : history_.prev_feat_list) past = past.defined() ? ops::to(past, options.device) : past;
}

bool SyntheticTraining::is_recorded() {
  return cached_ && graph_.problem().empty() && StepGraph::is_wanted(network_) &&
         StepGraph::obstacle(network_, tasks_.active()).empty();
}

std::vector<const char*> SyntheticTraining::parts() {
  if (is_recorded()) return {"graph", "optimizer"};
  return {"forward", "loss", "backward", "optimizer"};
}

void SyntheticTraining::step(const std::function<void()>& lap) {
  const RecomputeGuard recompute(budget_.begin_passes());
  if (is_recorded() && !budget_.is_measuring()) {
    if (const auto recorded =
            graph_.run(network_, feature_, history_, batch_, tasks_.active(), optimizer_->parameters()))
      return finish(recorded->losses, lap);
  }
  NetworkOutput output;
  if (cached_) {
    output.set(kBevFused, feature_);
  } else {
    output = network_.encode(network_input(batch_));
  }
  network_.decode(output, history_);
  lap();
  const QueuedLosses losses = queue_losses(output, batch_, tasks_.active());
  profile::phase_done("loss");
  output = {};
  lap();
  backward(losses.total);
  budget_.end_passes();
  finish(losses, lap);
}

void SyntheticTraining::finish(const QueuedLosses& losses, const std::function<void()>& lap) {
  lap();
  gradient_bytes_ = 0;
  for (const OptimizedParameter& parameter : optimizer_->parameters())
    if (const Tensor gradient = grad(parameter.value); gradient.defined()) gradient_bytes_ += gradient.nbytes();
  std::vector<Tensor> numbers = losses.numbers;
  numbers.push_back(squared_grad_norm(optimizer_->parameters()));
  const std::vector<double> values = read_scalars(numbers);
  losses.read(values);
  optimizer_->step(1e-6, clip_factor(std::sqrt(values.back()), 5));
  optimizer_->zero_grad();
  profile::phase_done("optimizer");
  lap();
}

std::vector<Figure> SyntheticTraining::memory(const MemoryStats& stats) const {
  size_t parameters = 0;
  for (const auto& [name, tensor] : network_.state_dict()) parameters += tensor.nbytes();
  size_t inputs = batch_.lane.nbytes() + batch_.road.nbytes() + (cached_ ? feature_.nbytes() : 0);
  for (const Tensor& image : batch_.images) inputs += image.nbytes();
  for (const Tensor& points : batch_.points) inputs += points.nbytes();
  for (const Tensor& feature : history_.prev_feat_list) inputs += feature.defined() ? feature.nbytes() : 0;
  const size_t copies = kept_weight_bytes(device());
  const size_t fixed = parameters + gradient_bytes_ + optimizer_->state_bytes() + inputs + copies;
  const size_t held = stats.in_use + stats.cached, reuse = held > stats.peak ? held - stats.peak : 0;
  const auto figure = [](const char* name, double bytes, const char* remark, double share = 0) {
    return Figure{name, bytes / 1e6, "MB", share, remark};
  };
  std::vector<Figure> figures = {
      figure("memory, parameters and buffers", parameters, ""),
      figure("memory, gradients", gradient_bytes_, ""),
      figure("memory, optimizer", optimizer_->state_bytes(), ""),
      figure("memory, one batch with its history", inputs, "the loader makes as much again ahead"),
      figure("memory, weights in a kernel's layout", copies, ""),
      figure("memory, activations", stats.peak > fixed ? stats.peak - fixed : 0, "peak of all tensors less the rest"),
      figure("memory, peak of all tensors", stats.peak, "")};
  if (!device().is_cpu()) return figures;
  const double sum = program_bytes_ + static_cast<double>(stats.peak + reuse), resident = peak_resident_bytes();
  figures.push_back(figure("memory, free blocks kept for reuse", reuse, ""));
  figures.push_back(figure("memory, program and libraries", program_bytes_, "before the network was made"));
  figures.push_back(figure("memory, tensors, free blocks and program", sum, "of the peak resident", sum / resident));
  figures.push_back(figure("memory, peak resident", resident, "as the system reports it"));
  return figures;
}

}  // namespace bevgrad
