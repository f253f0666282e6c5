#include "tensor/profile.h"

#include <chrono>
#include <memory>

namespace bevgrad::profile {
namespace {

using Clock = std::chrono::steady_clock;

struct Recording {
  Device device;
  Clock::time_point begin = Clock::now();
  double mark = 0;       // end of the last forward operation
  size_t unclaimed = 0;  // events from here on have no module yet
  std::vector<Event> events;

  double now() const {
    synchronize(device);  // what was queued there is over then
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }
};

thread_local std::unique_ptr<Recording> recording;

size_t bytes_of(const Tensor& tensor) {
  return tensor.defined() ? tensor.nbytes() : 0;
}

template <class... Tensors>
size_t bytes_of(const Tensor& first, const Tensors&... rest) {
  return bytes_of(first) + bytes_of(rest...);
}

/// Multiply-adds of one pass of a convolution, twice; `y` is its output (or the gradient of that).
double conv_flops(const Tensor& y, const Tensor& weight) {
  return 2.0 * static_cast<double>(y.numel()) * static_cast<double>(weight.numel() / weight.size(0));
}

template <class Work>
void timed(const char* name, size_t bytes, double flops, const Work& work) {
  if (!recording) {
    work();
    return;
  }
  Event event{.kind = Kind::Kernel, .name = name, .start = recording->now(), .bytes = bytes, .flops = flops};
  work();
  event.seconds = recording->now() - event.start;
  recording->events.push_back(event);
}

thread_local const Backend* inner = nullptr;

void conv2d_forward(const Tensor& y, const Tensor& x, const Tensor& weight, const ConvEpilogue& epilogue,
                    ConvOptions options) {
  timed("conv2d", bytes_of(y, x, weight, epilogue.residual), conv_flops(y, weight),
        [&] { inner->conv2d_forward(y, x, weight, epilogue, options); });
}

void conv2d_backward_input(const Tensor& dx, const Tensor& dy, const Tensor& weight, ConvOptions options) {
  timed("conv2d backward input", bytes_of(dx, dy, weight), conv_flops(dy, weight),
        [&] { inner->conv2d_backward_input(dx, dy, weight, options); });
}

void conv2d_backward_weight(const Tensor& dweight, const Tensor& x, const Tensor& dy, ConvOptions options) {
  timed("conv2d backward weight", bytes_of(dweight, x, dy), conv_flops(dy, dweight),
        [&] { inner->conv2d_backward_weight(dweight, x, dy, options); });
}

void max_pool2d_forward(const Tensor& y, const Tensor& index, const Tensor& x, int kernel, ConvOptions options) {
  timed("max pool", bytes_of(y, index, x), 0, [&] { inner->max_pool2d_forward(y, index, x, kernel, options); });
}

void max_pool2d_backward(const Tensor& dx, const Tensor& dy, const Tensor& index, int kernel, ConvOptions options) {
  timed("max pool backward", bytes_of(dx, dy, index), 0,
        [&] { inner->max_pool2d_backward(dx, dy, index, kernel, options); });
}

void channel_statistics(const Tensor& mean, const Tensor& variance, const Tensor& x, int64_t last_row_count) {
  timed("channel statistics", bytes_of(x), 0, [&] { inner->channel_statistics(mean, variance, x, last_row_count); });
}

void channel_affine(const Tensor& y, const Tensor& x, const Tensor& scale, const Tensor& shift, const Tensor& residual,
                    bool relu) {
  timed("channel affine", bytes_of(y, x, residual), 0,
        [&] { inner->channel_affine(y, x, scale, shift, residual, relu); });
}

void channel_sums(const Tensor& sum_dz, const Tensor& sum_dz_x, const Tensor& dz, const Tensor& dy,
                  const ReluMask& mask, const Tensor& x, const Tensor& mean) {
  timed("channel sums", bytes_of(dz, dy, mask.y, x), 0,
        [&] { inner->channel_sums(sum_dz, sum_dz_x, dz, dy, mask, x, mean); });
}

void channel_affine_backward(const Tensor& dx, const Tensor& dy, const ReluMask& mask, const Tensor& x,
                             const ChannelGradient& gradient) {
  timed("channel affine backward", bytes_of(dx, dy, mask.y, x), 0,
        [&] { inner->channel_affine_backward(dx, dy, mask, x, gradient); });
}

void matmul(const Tensor& c, const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b,
            const MatmulEpilogue& epilogue) {
  const int64_t depth = transpose_a ? a.size(0) : a.size(1);
  timed("matmul", bytes_of(c, a, b), 2.0 * static_cast<double>(c.numel() * depth),
        [&] { inner->matmul(c, a, b, transpose_a, transpose_b, epilogue); });
}

constexpr Backend kInstrumented = {
    .name = "profile",
    .conv2d_forward = conv2d_forward,
    .conv2d_backward_input = conv2d_backward_input,
    .conv2d_backward_weight = conv2d_backward_weight,
    .max_pool2d_forward = max_pool2d_forward,
    .max_pool2d_backward = max_pool2d_backward,
    .channel_statistics = channel_statistics,
    .channel_affine = channel_affine,
    .channel_sums = channel_sums,
    .channel_affine_backward = channel_affine_backward,
    .matmul = matmul,
};

void claim(const void* module, const char* phase) {
  Recording& r = *recording;
  for (size_t i = r.unclaimed; i < r.events.size(); ++i) {
    Event& event = r.events[i];
    if (event.kind == Kind::Backward) continue;
    event.module = module;
    event.phase = phase;
  }
  r.unclaimed = r.events.size();
}

/// What ran since the last operation without being one: plain tensor code.
void close_gap() {
  Recording& r = *recording;
  const double now = r.now();
  r.events.push_back({.kind = Kind::Forward, .name = "(other)", .start = r.mark, .seconds = now - r.mark});
  r.mark = now;
}

}  // namespace

void start(Device device) {
  synchronize(device);
  recording = std::make_unique<Recording>();
  recording->device = device;
}

std::vector<Event> stop() {
  check(recording != nullptr, "profile: stop without a start");
  std::vector<Event> events = std::move(recording->events);
  recording.reset();
  return events;
}

bool is_active() {
  return recording != nullptr;
}

int64_t operation_done(const char* name, const Tensor& output) {
  if (!recording) return -1;
  Recording& r = *recording;
  const double now = r.now();
  r.events.push_back(
      {.kind = Kind::Forward, .name = name, .start = r.mark, .seconds = now - r.mark, .bytes = bytes_of(output)});
  r.mark = now;
  return static_cast<int64_t>(r.events.size()) - 1;
}

void module_done(const void* module) {
  if (!recording) return;
  close_gap();
  claim(module, "");
}

void phase_done(const char* phase) {
  if (!recording) return;
  close_gap();
  claim(nullptr, phase);
}

BackwardScope::BackwardScope(const char* name, int64_t operation, const Tensor& dy) {
  if (!recording) return;
  Recording& r = *recording;
  Event event{.kind = Kind::Backward, .name = name, .start = r.now(), .bytes = bytes_of(dy)};
  if (operation >= 0 && operation < static_cast<int64_t>(r.events.size())) {
    event.module = r.events[static_cast<size_t>(operation)].module;
    event.phase = r.events[static_cast<size_t>(operation)].phase;
  }
  event_ = static_cast<int64_t>(r.events.size());
  r.events.push_back(event);
}

BackwardScope::~BackwardScope() {
  if (event_ < 0 || !recording) return;
  Recording& r = *recording;
  Event& event = r.events[static_cast<size_t>(event_)];
  const double now = r.now();
  event.seconds = now - event.start;
  // Kernels within it are of its module.
  for (size_t i = static_cast<size_t>(event_) + 1; i < r.events.size(); ++i) {
    r.events[i].module = event.module;
    r.events[i].phase = event.phase;
  }
  r.unclaimed = r.events.size();
  r.mark = now;
}

const Backend& instrumented(const Backend& backend) {
  inner = &backend;
  return kInstrumented;
}

}  // namespace bevgrad::profile
