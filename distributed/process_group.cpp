#include "distributed/process_group.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "internal/build_digest.h"
#include "internal/gloo_group.h"
#include "tensor/ops.h"

#ifdef BEVGRAD_CUDA
#include "distributed/nccl_group.h"
#endif

namespace bevgrad {
namespace {

class Done : public Work {
 public:
  void wait() override {}
};

class SingleProcessGroup : public ProcessGroup {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }

  WorkHandle all_reduce(const Tensor&, ReduceOp) override { return std::make_unique<Done>(); }
  WorkHandle all_reduce_together(const std::vector<Tensor>&, ReduceOp) override { return std::make_unique<Done>(); }
  WorkHandle broadcast(const Tensor&, int root) override {
    check_rank("broadcast", root);
    return std::make_unique<Done>();
  }
  WorkHandle all_gather(const Tensor& output, const Tensor& input) override {
    return copy("all_gather", output, input);
  }
  WorkHandle reduce_scatter(const Tensor& output, const Tensor& input, ReduceOp) override {
    return copy("reduce_scatter", output, input);
  }
  WorkHandle send(const Tensor&, int to) override { fail("send: rank {} is not another rank of a group of one", to); }
  WorkHandle receive(const Tensor&, int from) override {
    fail("receive: rank {} is not another rank of a group of one", from);
  }
  void barrier() override {}

  std::unique_ptr<ProcessGroup> duplicate(const std::string&) override { return make_single_process_group(); }
  void set_place(const std::string&) override {}
  void report_failure(const std::string&) override {}
  void leave() override {}
  GroupTraffic traffic() const override { return {}; }

 private:
  static void check_rank(const char* call, int rank) {
    check(rank == 0, "{}: there is no rank {} in a group of one", call, rank);
  }
  static WorkHandle copy(const char* call, const Tensor& output, const Tensor& input) {
    check(output.sizes() == input.sizes(), "{}: output {}, input {}, expected the same sizes in a group of one", call,
          describe(output), describe(input));
    ops::copy_(output, input);
    return std::make_unique<Done>();
  }
};

Tensor bytes_of(const std::string& text) {
  const Tensor bytes = empty({static_cast<int64_t>(text.size())}, {DType::UInt8});
  std::memcpy(bytes.raw_data(), text.data(), text.size());
  return bytes;
}

Tensor number(int64_t value) {
  const Tensor tensor = empty({1}, {DType::Int64});
  *tensor.data<int64_t>() = value;
  return tensor;
}

}  // namespace

std::unique_ptr<ProcessGroup> make_single_process_group() {
  return std::make_unique<SingleProcessGroup>();
}

std::unique_ptr<ProcessGroup> make_process_group(const RankEnvironment& environment, const GroupOptions& options) {
  if (environment.world_size == 1) return make_single_process_group();
  const char* interface = std::getenv("BEVGRAD_INTERFACE");
  auto meeting = std::make_shared<Meeting>(
      environment,
      MeetingOptions{.timeout = options.timeout,
                     .build = build_digest(),
                     .config = fmt::format("device: {}\n{}", options.device.is_cpu() ? "cpu" : "cuda", options.config),
                     .interface = interface ? interface : "",
                     .flight_folder = options.flight_folder});
  std::unique_ptr<ProcessGroup> group = make_gloo_group(meeting, "main");
  if (options.device.is_cpu()) return group;
#ifdef BEVGRAD_CUDA
  return make_nccl_group(std::move(meeting), std::move(group), options.device);
#else
  fail("a group on {}: {}", to_string(options.device), cuda_problem());
#endif
}

std::string broadcast_text(ProcessGroup& group, const std::string& text) {
  if (group.size() == 1) return text;
  const Tensor length = number(static_cast<int64_t>(text.size()));
  group.broadcast(length, 0)->wait();
  const int64_t size = *length.data<const int64_t>();
  if (size == 0) return "";
  const Tensor bytes = group.rank() == 0 ? bytes_of(text) : empty({size}, {DType::UInt8});
  group.broadcast(bytes, 0)->wait();
  return std::string(static_cast<const char*>(bytes.raw_data()), static_cast<size_t>(size));
}

std::vector<std::string> gather_texts(ProcessGroup& group, const std::string& text) {
  if (group.size() == 1) return {text};
  const Tensor lengths = empty({group.size()}, {DType::Int64});
  group.all_gather(lengths, number(static_cast<int64_t>(text.size())))->wait();
  const int64_t* length = lengths.data<const int64_t>();
  const int64_t longest = std::max<int64_t>(1, *std::max_element(length, length + group.size()));
  const Tensor mine = zeros({longest}, {DType::UInt8}), all = empty({group.size() * longest}, {DType::UInt8});
  std::memcpy(mine.raw_data(), text.data(), text.size());
  group.all_gather(all, mine)->wait();
  std::vector<std::string> texts;
  for (int rank = 0; rank < group.size(); ++rank)
    texts.emplace_back(static_cast<const char*>(all.raw_data()) + rank * longest, static_cast<size_t>(length[rank]));
  return texts;
}

}  // namespace bevgrad
