#include "train/step_graph.h"

#include <utility>

#include "autograd/anomaly.h"
#include "autograd/autograd.h"
#include "models/temporal_fusion.h"
#include "tensor/ops.h"
#include "tensor/profile.h"
#include "tensor/read_scalars.h"

namespace bevgrad {
namespace {

/// Inputs of the recorded work, in their order.
struct Inputs {
  std::vector<Tensor> tensors;
  size_t slots = 0;
  std::vector<std::string> targets;

  Inputs(const Tensor& bev_fused, const History& history, const Batch& batch) {
    tensors = {bev_fused, batch.on_device->lane(), batch.on_device->road()};
    for (const auto& [name, tensor] : batch.targets) {
      targets.push_back(name);
      tensors.push_back(tensor);
    }
    slots = history.prev_feat_list.size();
    if (slots == 0) return;
    tensors.push_back(history.feature_warp_matrix);
    tensors.push_back(history.valid);
    tensors.insert(tensors.end(), history.prev_feat_list.begin(), history.prev_feat_list.end());
  }

  /// The batch's labels and targets, and what the network takes, from tensors in this order.
  void unpack(const std::vector<Tensor>& from, Batch& batch, NetworkOutput& output, History& history) const {
    output.set(kBevFused, from[0], "feature cache");
    batch.on_device = std::make_shared<BatchCopies>(from[1], from[2]);
    size_t next = 3;
    for (const std::string& name : targets) batch.targets[name] = from[next++];
    if (slots == 0) return;
    history.feature_warp_matrix = from[next++];
    history.valid = from[next++];
    history.prev_feat_list.assign(from.begin() + static_cast<int64_t>(next), from.end());
  }
};

/// What runs behind the fused feature.
std::vector<Module*> decoder_of(const Network& network) {
  std::vector<Module*> parts;
  for (const auto& [name, part] : network.children())
    if (!network.is_encoder(name)) parts.push_back(part);
  return parts;
}

NamedTensors buffers_of(const Network& network) {
  NamedTensors buffers;
  for (const Module* part : decoder_of(network))
    for (auto& buffer : part->named_buffers()) buffers.push_back(std::move(buffer));
  return buffers;
}

/// What decides the work beside the inputs' shapes. Values of what is trained, and running statistics, may change.
std::vector<uint64_t> state_of(const Network& network, const std::vector<OptimizedParameter>& parameters) {
  std::vector<uint64_t> state = {network.options().use_head_amp};
  for (Module* part : decoder_of(network)) {
    part->visit([&](const std::string&, Module& module) {
      const bool is_fixed = module.frozen() || !module.training();
      state.push_back((module.training() ? 2 : 0) + (module.frozen() ? 1 : 0));
      for (const auto& [name, tensor] : module.named_buffers()) {
        state.push_back(reinterpret_cast<uintptr_t>(tensor.const_raw_data()));
        if (is_fixed) state.push_back(tensor.storage()->version);
      }
    });
    for (const auto& [name, tensor] : part->named_parameters()) {
      state.push_back(reinterpret_cast<uintptr_t>(tensor.const_raw_data()));
      state.push_back(requires_grad(tensor) ? 0 : 1 + tensor.storage()->version);
    }
  }
  for (const OptimizedParameter& parameter : parameters)
    state.push_back(reinterpret_cast<uintptr_t>(parameter.value.const_raw_data()));
  return state;
}

}  // namespace

bool StepGraph::is_wanted(const Network& network) {
  // What looks at single modules or operations needs them to run.
  return network.options().cuda_graphs && !network.device().is_cpu() && !network.has_hooks_within() &&
         !profile::is_active() && !anomaly::is_on();
}

std::string StepGraph::obstacle(Network& network, std::span<const ActiveTask> tasks) {
  std::string found;
  network.visit([&](const std::string& path, Module& module) {
    const auto* fusion = dynamic_cast<const TemporalFusion*>(&module);
    if (fusion && !fusion->is_recordable()) found = path + " cannot be recorded";
  });
  for (const ActiveTask& active : tasks)
    if (!active.task->is_recordable()) found = "losses of the task " + active.name + " cannot be recorded";
  return found;
}

std::optional<StepGraph::Result> StepGraph::run(Network& network, const Tensor& bev_fused, const History& given,
                                                const Batch& given_batch, std::span<const ActiveTask> tasks,
                                                const std::vector<OptimizedParameter>& parameters) {
  if (!problem().empty() || !given_batch.on_device) return std::nullopt;
  const Device device = bev_fused.device();
  History history = given;
  for (const Tensor& slot : history.prev_feat_list)
    if (slot.defined()) slot_ = {slot.dtype(), slot.suggested_format(), device};
  if (!history.prev_feat_list.empty()) {
    if (!slot_) return std::nullopt;
    for (Tensor& slot : history.prev_feat_list)
      slot = slot.defined() ? ops::to(slot, device) : zeros(bev_fused.sizes(), *slot_);
    history.feature_warp_matrix = ops::to(ops::contiguous(history.feature_warp_matrix), device);
    history.valid = ops::to(ops::contiguous(history.valid), device);
  }
  Batch batch = given_batch;
  for (const ActiveTask& active : tasks) active.task->add_targets(batch, device);
  const Inputs inputs(bev_fused, history, batch);

  const auto forward = [&network, tasks, inputs, batch](const std::vector<Tensor>& from, QueuedLosses& losses) {
    Batch labels = batch;
    NetworkOutput output;
    History past;
    inputs.unpack(from, labels, output, past);
    network.decode(output, past);
    losses = queue_losses(output, labels, tasks);
    return output;
  };
  const NamedTensors buffers = buffers_of(network);
  std::vector<int64_t> before;
  for (const auto& [name, buffer] : buffers)
    before.push_back(buffer.device().is_cpu() ? static_cast<int64_t>(buffer.item())
                                              : static_cast<int64_t>(buffer.storage()->version));
  const auto clear_gradients = [&] {
    for (const OptimizedParameter& parameter : parameters) set_grad(parameter.value, {});
  };
  bool has_run = false;
  const auto work = [&](const std::vector<Tensor>& from) {
    // A recording that failed has counted already.
    for (size_t i = 0; has_run && i < buffers.size(); ++i)
      if (buffers[i].second.device().is_cpu()) ops::fill_(buffers[i].second, static_cast<double>(before[i]));
    has_run = true;
    QueuedLosses losses;
    try {
      forward(from, losses);
      backward(losses.total);
    } catch (...) {
      clear_gradients();
      throw;
    }
    names_ = losses.names;
    std::vector<Tensor> results = std::move(losses.numbers);
    for (const OptimizedParameter& parameter : parameters) results.push_back(grad(parameter.value));
    clear_gradients();
    return results;
  };

  const std::vector<Tensor> results =
      graph_.run(inputs.tensors, state_of(network, parameters), work, DeviceGraph::Results::Own);
  if (has_run) {
    traces_ = {};
    for (size_t i = 0; i < buffers.size(); ++i) {
      const Tensor& buffer = buffers[i].second;
      if (buffer.device().is_cpu()) {
        traces_.counts.emplace_back(buffer, static_cast<int64_t>(buffer.item()) - before[i]);
      } else if (static_cast<int64_t>(buffer.storage()->version) != before[i]) {
        traces_.written.push_back(buffer);
      }
    }
  } else {
    for (const Tensor& buffer : traces_.written) ++buffer.storage()->version;
    for (const auto& [counter, more] : traces_.counts)
      if (more != 0) ops::fill_(counter, counter.item() + static_cast<double>(more));
  }

  Result result{{.total = {}, .names = names_, .numbers = {}, .labels = {}}, [forward, from = inputs.tensors] {
                  const NoGradGuard no_grad;
                  QueuedLosses losses;
                  NetworkOutput output = forward(from, losses);
                  losses.read(read_scalars(losses.numbers));
                  return output;
                }};
  const size_t numbers = results.size() - parameters.size();
  result.losses.numbers.assign(results.begin(), results.begin() + static_cast<int64_t>(numbers));
  for (size_t i = 0; i < parameters.size(); ++i) set_grad(parameters[i].value, results[numbers + i]);
  return result;
}

}  // namespace bevgrad
