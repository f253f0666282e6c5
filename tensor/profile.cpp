#include "tensor/profile.h"

#include <chrono>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include "internal/profiled_kernels.h"
#include "tensor/thread_scopes.h"

namespace bevgrad::profile {
namespace {

using Clock = std::chrono::steady_clock;

struct Recording {
  Device device;
  Clock::time_point begin = Clock::now();
  double mark = 0;       // end of the last forward operation
  size_t unclaimed = 0;  // events from here on have no phase yet
  std::vector<Event> events;

  /// The innermost that is running.
  const void* module() const { return thread_scopes().profiled_module; }

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

// What a kernel is handed beside tensors.
size_t bytes_of(const ConvEpilogue& epilogue) {
  return bytes_of(epilogue.scale, epilogue.shift, epilogue.residual);
}
size_t bytes_of(const MatmulEpilogue& epilogue) {
  return bytes_of(epilogue.shift);
}
size_t bytes_of(const ReluMask& mask) {
  return bytes_of(mask.y, mask.scale, mask.shift);
}
size_t bytes_of(const NormParameters& norm) {
  return bytes_of(norm.gamma, norm.beta, norm.running_mean, norm.running_var);
}
size_t bytes_of(const NormState& state) {
  return bytes_of(state.mean, state.inv_std, state.scale, state.shift);
}
size_t bytes_of(const ChannelGradient& gradient) {
  return bytes_of(gradient.a, gradient.b, gradient.d);
}
template <class Plain>
requires std::is_trivially_copyable_v<Plain> size_t bytes_of(const Plain&) {
  return 0;
}

thread_local const Backend* inner = nullptr;

/// The kernel of entry `I`, timed.
template <size_t I, class... Parameters>
void timed(Parameters... arguments) {
  constexpr ProfiledKernel<Parameters...> kernel = std::get<I>(kProfiledKernels);
  const auto call = inner->*kernel.entry;
  if (!recording) return call(arguments...);
  Event event{.kind = Kind::Kernel, .name = kernel.name, .module = recording->module(), .start = recording->now()};
  event.bytes = (bytes_of(arguments) + ...);
  if (kernel.flops != nullptr) event.flops = kernel.flops(arguments...);
  call(arguments...);
  event.seconds = recording->now() - event.start;
  recording->events.push_back(event);
}

template <size_t I, class... Parameters>
constexpr void put(Backend& table, const ProfiledKernel<Parameters...>& kernel) {
  table.*kernel.entry = timed<I, Parameters...>;
}

template <size_t... I>
constexpr Backend timed_backend(std::index_sequence<I...>) {
  Backend table{};
  table.name = "profile";
  (put<I>(table, std::get<I>(kProfiledKernels)), ...);
  return table;
}

constexpr size_t kKernels = std::tuple_size_v<decltype(kProfiledKernels)>;
static_assert(sizeof(Backend) == sizeof(const char*) + kKernels * sizeof(void (*)()),
              "an entry of Backend is missing from kProfiledKernels");
constexpr Backend kInstrumented = timed_backend(std::make_index_sequence<kKernels>());

/// What ran since the last operation without being one: plain tensor code, of the innermost module.
void close_gap() {
  Recording& r = *recording;
  const double now = r.now();
  r.events.push_back(
      {.kind = Kind::Forward, .name = "(other)", .module = r.module(), .start = r.mark, .seconds = now - r.mark});
  r.mark = now;
}

}  // namespace

void start(Device device) {
  synchronize(device);
  recording = std::make_unique<Recording>();
  recording->device = device;
  thread_scopes().profiled_module = nullptr;
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
  r.events.push_back({.kind = Kind::Forward,
                      .name = name,
                      .module = r.module(),
                      .start = r.mark,
                      .seconds = now - r.mark,
                      .bytes = bytes_of(output)});
  r.mark = now;
  return static_cast<int64_t>(r.events.size()) - 1;
}

void module_entered(const void* module) {
  if (!recording) return;
  close_gap();
  thread_scopes().profiled_module = module;
}

void module_left(const void* module, const void* around) {
  // A module that was running when the recording began was never entered.
  if (!recording || recording->module() != module) return;
  close_gap();
  thread_scopes().profiled_module = around;
}

void work_changes() {
  if (recording) close_gap();
}

void phase_done(const char* phase) {
  if (!recording) return;
  close_gap();
  Recording& r = *recording;
  for (size_t i = r.unclaimed; i < r.events.size(); ++i)
    if (r.events[i].kind != Kind::Backward && r.events[i].module == nullptr) r.events[i].phase = phase;
  r.unclaimed = r.events.size();
}

KernelScope::KernelScope(const char* name, size_t bytes, double flops) {
  if (!recording) return;
  event_ = static_cast<int64_t>(recording->events.size());
  recording->events.push_back({.kind = Kind::Kernel,
                               .name = name,
                               .module = recording->module(),
                               .start = recording->now(),
                               .bytes = bytes,
                               .flops = flops});
}

KernelScope::~KernelScope() {
  if (event_ < 0 || !recording) return;
  Event& event = recording->events[static_cast<size_t>(event_)];
  event.seconds = recording->now() - event.start;
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
  thread_local Backend table;
  inner = &backend;
  table = kInstrumented;
  // What the device lacks the profile lacks too.
  std::apply(
      [&](const auto&... kernel) {
        ((table.*kernel.entry = backend.*kernel.entry ? table.*kernel.entry : nullptr), ...);
      },
      kProfiledKernels);
  return table;
}

}  // namespace bevgrad::profile
