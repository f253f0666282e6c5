#include "autograd/branches.h"

#include <algorithm>
#include <list>
#include <optional>
#include <utility>

#include "autograd/batch_sync.h"
#include "base/fiber.h"
#include "tensor/profile.h"
#include "tensor/thread_scopes.h"

namespace bevgrad {
namespace {

/// A branch with the scopes that it is in the midst of.
class Branch {
 public:
  explicit Branch(const std::function<void()>& work) : fiber_(std::in_place, work), scopes_(thread_scopes()) {}
  ~Branch() {
    const Inside inside(scopes_);
    fiber_.reset();
  }
  Branch(const Branch&) = delete;
  Branch& operator=(const Branch&) = delete;

  bool resume() {
    const Inside inside(scopes_);
    return fiber_->resume();
  }

 private:
  class Inside {
   public:
    explicit Inside(ThreadScopes& scopes) : scopes_(scopes) { std::swap(scopes_, thread_scopes()); }
    ~Inside() { std::swap(scopes_, thread_scopes()); }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;

   private:
    ThreadScopes& scopes_;
  };

  std::optional<Fiber> fiber_;
  ThreadScopes scopes_;
};

/// What branches that have paused want to be summed.
class AskedSums {
 public:
  void add(std::span<double> numbers) { numbers_.push_back(numbers); }
  void add(std::span<const Tensor> tensors) { tensors_.insert(tensors_.end(), tensors.begin(), tensors.end()); }

  void get(const BatchSync& sync) {
    if (!tensors_.empty()) sync.sum_tensors(std::exchange(tensors_, {}));
    if (numbers_.empty()) return;
    std::vector<double> all;
    for (const std::span<double> numbers : numbers_) all.insert(all.end(), numbers.begin(), numbers.end());
    sync.sum(all);
    auto next = all.begin();
    for (const std::span<double> numbers : std::exchange(numbers_, {})) {
      std::copy_n(next, numbers.size(), numbers.begin());
      next += static_cast<std::ptrdiff_t>(numbers.size());
    }
  }

 private:
  std::vector<Tensor> tensors_;
  std::vector<std::span<double>> numbers_;  // on the stacks of the branches
};

}  // namespace

void run_branches(const std::vector<std::function<void()>>& branches) {
  const BatchSync* sync = batch_sync();
  // A checkpointed stretch writes down what branches compute in the order in which it reads it again: one after the
  // other. Where each process has a plan of what it computes again, what they would put into a message differs.
  const ThreadScopes& here = thread_scopes();
  if (sync == nullptr || branches.size() < 2 || here.notes || here.plan) {
    for (const std::function<void()>& branch : branches) branch();
    return;
  }
  AskedSums asked;
  const auto ask = [&asked](auto sums) {
    asked.add(sums);
    profile::work_changes();
    Fiber::pause();
  };
  BatchSync turns = *sync;
  turns.sum = ask;
  turns.sum_tensors = ask;
  const BatchSyncGuard guard(&turns);
  std::list<Branch> under_way;
  for (const std::function<void()>& branch : branches) under_way.emplace_back(branch);
  while (!under_way.empty()) {
    std::erase_if(under_way, [](Branch& branch) { return !branch.resume(); });
    asked.get(*sync);
  }
}

}  // namespace bevgrad
