#include "train/distributed/process_group.h"

#include "tensor/error.h"
#include "tensor/ops.h"

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

}  // namespace

std::unique_ptr<ProcessGroup> make_single_process_group() {
  return std::make_unique<SingleProcessGroup>();
}

std::unique_ptr<ProcessGroup> make_process_group(const RankEnvironment& environment) {
  if (environment.world_size == 1) return make_single_process_group();
  throw UsageError(fmt::format("{} started {} ranks, but this build has no transport between processes: start one",
                               environment.launcher, environment.world_size));
}

}  // namespace bevgrad
